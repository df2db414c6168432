/* SPDX-License-Identifier: MIT */
/*
 * Whether tests can make a user namespace. The kernel refuses one to a process in a chroot, whoever
 * it is: user_namespaces(7), EPERM.
 */
#pragma once

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* NULL, or why not. */
static inline const char *userns_refused(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno == EPERM ? "no user namespace can be made here, as in a chroot"
				      : strerror(errno);
	waitpid((pid_t)pid, NULL, 0);
	return NULL;
}
