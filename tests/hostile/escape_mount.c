/* SPDX-License-Identifier: MIT */
/*
 * Taking off a mount what the engine put on it: every way that there is to clear a flag, or to see
 * what lies below; see escape_mount.h.
 */
#include "escape_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"

#define OPEN_TREE_ATTR 467 /* Linux 6.15 */
#define SPARE	       "/dev/shm/escape-mount"

/* In mount(2)'s numbers, statvfs(3)'s and mount_setattr(2)'s */
struct flag {
	const char *name;
	unsigned long ms, st;
	uint64_t attr;
};

#define MS_REMOUNT 32
#define MS_BIND	   4096
#define MS_REC	   16384
static const struct flag flags[] = {
	{"ro", 1, ST_RDONLY, MOUNT_ATTR_RDONLY},
	{"nosuid", 2, ST_NOSUID, MOUNT_ATTR_NOSUID},
	{"nodev", 4, ST_NODEV, MOUNT_ATTR_NODEV},
	{"noexec", 8, ST_NOEXEC, MOUNT_ATTR_NOEXEC},
};

static long sys_mount(const char *from, const char *at, unsigned long how)
{
	return syscall(SYS_mount, from, at, NULL, how, NULL);
}

static long set_attr(int dir, const char *path, unsigned int how, uint64_t clear)
{
	struct mount_attr a = {.attr_clr = clear};

	return syscall(SYS_mount_setattr, dir, path, how, &a, sizeof(a));
}

static unsigned long kept(const char *path, const struct flag *f)
{
	struct statvfs s;
	unsigned long ms = 0;

	if (statvfs(path, &s) == 0)
		for (size_t i = 0; i < ARRAY_LEN(flags); i++)
			if (s.f_flag & flags[i].st && &flags[i] != f)
				ms |= flags[i].ms;
	return ms;
}

/* ---- the ways: each ends with a descriptor of the mount that it has changed, or -1 ---- */

static int see(const char *path)
{
	return open(path, O_PATH | O_CLOEXEC);
}

static int remount(const char *path, const struct flag *f)
{
	sys_mount(NULL, path, MS_REMOUNT | MS_BIND | kept(path, f));
	return see(path);
}

static int remount_file_system(const char *path, const struct flag *f)
{
	sys_mount(NULL, path, MS_REMOUNT | kept(path, f));
	return see(path);
}

static int setattr(const char *path, const struct flag *f)
{
	set_attr(AT_FDCWD, path, 0, f->attr);
	return see(path);
}

static int setattr_all(const char *path, const struct flag *f)
{
	set_attr(AT_FDCWD, path, AT_RECURSIVE, f->attr);
	return see(path);
}

static int clone_setattr(const char *path, const struct flag *f)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE);

	set_attr(fd, "", AT_EMPTY_PATH, f->attr);
	return fd;
}

static int clone_all_setattr(const char *path, const struct flag *f)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE);

	set_attr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, f->attr);
	return fd;
}

static int clone_with(const char *path, const struct flag *f)
{
	struct mount_attr a = {.attr_clr = f->attr};

	return (int)syscall(
		OPEN_TREE_ATTR, AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE, &a, sizeof(a));
}

/* A place of path's kind to put it on */
static const char *spare(const char *path)
{
	struct stat st;

	mkdir(SPARE ".d", 0755);
	close(open(SPARE ".f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? SPARE ".d" : SPARE ".f";
}

static int bind_elsewhere(const char *path, const struct flag *f)
{
	const char *at = spare(path);

	if (sys_mount(path, at, MS_BIND | MS_REC) < 0)
		return -1;
	sys_mount(NULL, at, MS_REMOUNT | MS_BIND | kept(path, f));
	set_attr(AT_FDCWD, at, 0, f->attr);
	return see(at);
}

static int in_new_namespace(const char *path, const struct flag *f)
{
	unshare(CLONE_NEWNS);
	set_attr(AT_FDCWD, path, 0, f->attr);
	return remount(path, f);
}

static int setattr_inside(const char *path, const struct flag *f)
{
	unshare(CLONE_NEWUSER | CLONE_NEWNS);
	set_attr(AT_FDCWD, path, 0, f->attr);
	return remount(path, f);
}

static int reconfigure(const char *path, const struct flag *f)
{
	int fs = (int)syscall(SYS_fspick, AT_FDCWD, path, FSPICK_CLOEXEC);

	(void)f;
	syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "rw", NULL, 0);
	syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
	return see(path);
}

static const struct {
	const char *name;
	int (*fn)(const char *path, const struct flag *f);
} ways[] = {{"remount", remount}, {"remount of the file system", remount_file_system},
	{"mount_setattr", setattr}, {"mount_setattr of all", setattr_all},
	{"a clone", clone_setattr}, {"a clone of all", clone_all_setattr},
	{"open_tree_attr", clone_with}, {"a bind", bind_elsewhere},
	{"a new mount namespace", in_new_namespace}, {"a new user namespace", setattr_inside},
	{"fsconfig", reconfigure}};

/* A process for each: what it did to its namespaces ends with it. Its code: 1 for a flag gone. */
static bool clears(size_t way, const char *path, const struct flag *f)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = ways[way].fn(path, f);
		struct statvfs s;

		_exit(fd >= 0 && fstatvfs(fd, &s) == 0 && !(s.f_flag & f->st));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static unsigned int try_flag(const char *path, const struct flag *f)
{
	unsigned int n = 0;
	struct statvfs s;

	if (statvfs(path, &s) < 0 || !(s.f_flag & f->st))
		return 0;
	for (size_t w = 0; w < ARRAY_LEN(ways); w++)
		if (clears(w, path, f)) {
			printf("CLEARED %s of %s by %s\n", f->name, path, ways[w].name);
			n++;
		}
	printf("tried %s of %s\n", f->name, path);
	return n;
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* What is below, or somewhere else what was here. */
static unsigned int try_away(const char *path)
{
	ino_t before = inode_of(path);

	syscall(SYS_umount2, path, 0);
	syscall(SYS_umount2, path, 2); /* MNT_DETACH */
	syscall(SYS_move_mount, AT_FDCWD, path, AT_FDCWD, spare(path), 0);
	if (inode_of(path) == before)
		return 0;
	printf("TAKEN AWAY %s\n", path);
	return 1;
}

int unlock(char **paths)
{
	unsigned int n = 0;

	for (; *paths; paths++) {
		for (size_t i = 0; i < ARRAY_LEN(flags); i++)
			n += try_flag(*paths, &flags[i]);
		n += try_away(*paths);
	}
	printf("%u successes\n", n);
	return n > 0;
}
