/* SPDX-License-Identifier: MIT */
/*
 * Making a user namespace for a mapped mount; see idmap.h. Runs in the launcher.
 */
#include "idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

/* The namespace lives as long as this process or a descriptor of it. */
_noreturn_ static void keep(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static int write_map(int proc, const char *name, uid_t id, uid_t base, struct err *e)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%u %u 1", id, base);
	r = fd_write_file_at(proc, name, text);
	return r < 0 ? err_errno(e, r, "writing %s", name) : 0;
}

static int map_and_open(pid_t pid, uid_t uid, gid_t gid, uid_t base, struct err *e)
{
	_cleanup_fd_ int proc = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_errno(e, errno, "%s", path);
	r = write_map(proc, "uid_map", uid, base, e);
	if (r == 0)
		r = write_map(proc, "gid_map", gid, base, e);
	if (r < 0)
		return r;
	r = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	return r < 0 ? err_errno(e, errno, "%s/ns/user", path) : r;
}

int idmap_make(uid_t uid, gid_t gid, uid_t base, struct err *e)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	int r;

	if (pid == 0)
		keep();
	if (pid < 0)
		return err_errno(e, errno, "making a user namespace");
	r = map_and_open(pid, uid, gid, base, e);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
