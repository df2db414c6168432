/* SPDX-License-Identifier: MIT */
/*
 * The mounter's surroundings for tests: its privileges, and a mount namespace as it has one, with a
 * store of a few empty layers. The whole group of tests runs in a child that has entered both for
 * good; needs root. MOUNTER_TESTS(cmocka_unit_test(…), …) is the main of a file.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imaged/imaged.h"
#include "imaged/layer.h"
#include "imaged/mntns.h"
#include "proto/base/fd.h"
#include "userns.h"

#define UID_BASE 1879113728U
#define HEX_A	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B	 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define PATH_LEN 256

#ifdef BULKHEAD_SANITIZED
/* At exit LeakSanitizer reads /proc/PID/task, which is out of this process's reach by then. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

struct world {
	struct mntns *mntns;
	int userns, proc, shared; /* shared: a host directory with a file and a device */
	int box;		  /* of mntns_unbox, with /dev/zero */
};

static inline pid_t userns_holder(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) == 0)
			pause();
		_exit(1);
	}
	return pid;
}

static inline int open_userns(void)
{
	pid_t pid = userns_holder();
	char path[PATH_LEN], map[64], ns[64] = "";
	int fd, patience = 10000;

	/* Until unshare has happened the link still names our own namespace. */
	do {
		assert_true(patience-- > 0);
		char own[64] = "";

		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		assert_true(readlink("/proc/self/ns/user", own, sizeof(own) - 1) > 0);
		assert_true(readlink(path, ns, sizeof(ns) - 1) > 0);
		if (strcmp(own, ns) == 0)
			usleep(1000);
		else
			break;
	} while (true);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(map, sizeof(map), "0 %u 65536\n", UID_BASE);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	assert_int_equal(fd_write_file_at(AT_FDCWD, path, map), 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	assert_int_equal(fd_write_file_at(AT_FDCWD, path, map), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

/* An image with nothing in it but its root: what an empty tar makes. */
static inline void make_layer(const char *path)
{
	struct layer_result found;
	char zeros[1024] = {0};
	struct err e = {0};
	int ends[2], out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(out >= 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_write_all(ends[1], zeros, sizeof(zeros)), 0);
	close(ends[1]);
	if (layer_unpack(ends[0], out, &layer_limits_default, &found, &e) < 0)
		fail_msg("%s", e.text);
	close(ends[0]);
	close(out);
}

static inline int make_dir(const char *name)
{
	int fd;

	assert_int_equal(mkdir(name, 0700), 0);
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline int make_box(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), box;

	assert_true(fs >= 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	box = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	assert_true(box >= 0);
	close(fs);
	assert_int_equal(mknodat(box, "node", S_IFCHR, makedev(1, 5)), 0);
	assert_int_equal(fchmodat(box, "node", 0444, 0), 0);
	return box;
}

/* In a temporary directory. */
static inline int enter(void **state)
{
	int dev = open("/dev", O_PATH | O_CLOEXEC), images = make_dir("images"),
	    rootfs = make_dir("rootfs");
	struct world *w = calloc(1, sizeof(*w));
	struct err e = {0};

	assert_non_null(w);
	close(make_dir("images/layers"));
	close(make_dir("images/dirs"));
	close(make_dir("images/tmp"));
	w->shared = make_dir("shared");
	/* Through the mapping its owner is another than this process. */
	assert_int_equal(fchmod(w->shared, 0755), 0);
	make_layer("images/layers/" HEX_A ".erofs");
	make_layer("images/layers/" HEX_B ".erofs");
	make_layer("images/dirs/" HEX_A ".erofs");
	close(openat(w->shared, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	assert_int_equal(mknodat(w->shared, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	w->box = make_box();
	w->userns = open_userns();
	w->proc = open("/proc", O_PATH | O_CLOEXEC);
	if (priv_enter(&profile_mounter, 0, 0, &e) < 0 ||
		mntns_enter(&(struct mntns_dirs){images, rootfs, dev}, false, &w->mntns, &e) < 0)
		fail_msg("%s", e.text);
	close(images);
	close(rootfs);
	close(dev);
	*state = w;
	return 0;
}

static inline int leave(void **state)
{
	free(*state);
	return 0;
}

static inline void assert_erofs(int fd)
{
	struct statfs st;

	assert_true(fd >= 0);
	assert_int_equal(fstatfs(fd, &st), 0);
	assert_int_equal(st.f_type, EROFS_SUPER_MAGIC_V1);
	assert_int_equal(mkdirat(fd, "x", 0700), -1);
	assert_int_equal(errno, EROFS);
}

static inline void needs_root_and_userns(void **state)
{
	(void)state;
	print_message("skipped: %s\n", geteuid() == 0 ? userns_refused() : "mounts need root");
	skip();
}

static inline int mounter_main_of_tests(int (*run)(void))
{
	char path[] = "/tmp/bulkhead-rootfs-XXXXXX", cmd[64];
	int status = 1;
	pid_t pid;

	if (!mkdtemp(path) || chdir(path) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		status = run();
		fflush(NULL);
		/* Past leak checkers, which would look for /proc. */
		_exit(status);
	}
	waitpid(pid, &status, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", path);
	if (system(cmd) != 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* clang-format off */
#define MOUNTER_TESTS(...)                                                                         \
	static int run_in_world(void)                                                                 \
	{                                                                                          \
		const struct CMUnitTest tests[] = {__VA_ARGS__};                                   \
		const struct CMUnitTest none[] = {cmocka_unit_test(needs_root_and_userns)};        \
                                                                                                   \
		return geteuid() == 0 && !userns_refused()                                         \
			? cmocka_run_group_tests(tests, enter, leave)                              \
			: cmocka_run_group_tests(none, NULL, NULL);                                \
	}                                                                                          \
	int main(void)                                                                             \
	{                                                                                          \
		return mounter_main_of_tests(run_in_world);                                           \
	}
/* clang-format on */
