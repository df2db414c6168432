/* SPDX-License-Identifier: MIT */
/*
 * Building the stage; see stage.h. Runs in the launcher, once, before anything foreign exists.
 */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

/* Any directory serves as a mount point that only this namespace sees. */
#define SCAFFOLD "/proc"

static const struct {
	const char *path;
	unsigned int major, minor;
} nodes[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8},
	{"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};

static const char *const dirs[] = {"proc", "sys", "dev", "mnt", "newroot"};

static int fill(struct err *e)
{
	for (unsigned int i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return err_errno(e, errno, "stage: %s", dirs[i]);
	for (unsigned int i = 0; i < ARRAY_LEN(nodes); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
				0 ||
			chmod(nodes[i].path, 0666) < 0)
			return err_errno(e, errno, "stage: %s", nodes[i].path);
	return 0;
}

/* Fresh superblocks are never over-mounted, so both are fully visible whatever the host did to its
 * own. */
static int mount_kernel(const char *type, const char *at, struct err *e)
{
	_cleanup_fd_ int fs = fsopen(type, FSOPEN_CLOEXEC), mnt = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_errno(e, errno, "stage: %s", type);
	mnt = fsmount(
		fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mnt < 0 || move_mount(mnt, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(e, errno, "stage: mounting %s", type);
	return 0;
}

static int build(struct err *e)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, errno, "stage: a mount namespace");
	if (mount("stage", SCAFFOLD, "tmpfs", MS_NOSUID | MS_NOEXEC,
		    "mode=0755,size=64k,nr_inodes=64") < 0 ||
		chdir(SCAFFOLD) < 0)
		return err_errno(e, errno, "stage: a tmpfs");
	r = fill(e);
	if (r == 0)
		r = mount_kernel("proc", "proc", e);
	if (r == 0)
		r = mount_kernel("sysfs", "sys", e);
	if (r < 0)
		return r;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(e, errno, "stage: pivot_root");
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
		       ? err_errno(e, errno, "stage: private")
		       : 0;
}

_noreturn_ static void child(int fd)
{
	struct err e = {0};
	uint8_t ok;

	if (build(&e) < 0)
		e.code = e.code ? e.code : EIO;
	fd_write_all(fd, &e, sizeof(e));
	/* Lives until the parent holds the namespace. */
	_exit(fd_read_full(fd, &ok, 1) == 0 ? 0 : 1);
}

int stage_make(struct err *e)
{
	_cleanup_fd_ int ns = -1, ours = -1, theirs = -1;
	char path[64];
	struct err got;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, errno, "stage");
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid == 0) {
		fd_close(&ours);
		child(theirs);
	}
	if (pid < 0)
		return err_errno(e, errno, "stage: fork");
	fd_close(&theirs);
	if (fd_read_full(ours, &got, sizeof(got)) < 0)
		err_set(&got, EIO, "stage: its builder died");
	if (got.code == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			err_errno(&got, errno, "stage: %s", path);
	}
	fd_close(&ours);
	waitpid(pid, NULL, 0);
	if (got.code)
		return err_set(e, got.code, "%s", got.text);
	return take_fd(&ns);
}
