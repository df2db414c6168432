/* SPDX-License-Identifier: MIT */
/*
 * Looking at the host before anything is made on it. Runs in the launcher as root; trusts the
 * kernel's answers.
 */
#include "host.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

static const struct {
	int code;
	const char *words;
} refusals[] = {
	/* create_user_ns() asks current_chrooted(): user_namespaces(7), EPERM. */
	{EPERM, "user namespaces are refused here, as the kernel does in a chroot; start the engine outside of it, or enter the directory by pivot_root instead"},
	{ENOSPC, "user namespaces are refused here: raise the sysctl user.max_user_namespaces"},
	{EUSERS, "user namespaces are refused here: they are nested too deeply"},
	{EINVAL, "this kernel has no user namespaces: it needs CONFIG_USER_NS"},
};

int host_check(struct err *e)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0) {
		waitpid((pid_t)pid, NULL, 0);
		return 0;
	}
	for (unsigned int i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].code == errno)
			return err_set(e, errno, "%s", refusals[i].words);
	return err_errno(e, errno, "making a user namespace");
}
