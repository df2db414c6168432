/* SPDX-License-Identifier: MIT */
/*
 * Freezing in each version that this machine has, whichever of them the engine would use. Needs
 * root.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cgroupd/freeze.h"
#include "cgroupd/group.h"

#define PATIENCE_MS 60000 /* for what takes a moment on an idle machine */

/* The hierarchy of v1 with the freezer, or that of v2. */
static bool find_hierarchy(int version, struct layout *ret)
{
	_cleanup_free_ char *mounts = NULL;
	struct layout all;

	*ret = (struct layout){.n = 1};
	ret->h[0] = (struct hierarchy){.version = version, .controllers = 1U << CTL_FREEZER};
	if (version == 2)
		return fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, NULL) ==
			       0 &&
		       discover_v2_mount(mounts, ret->h[0].mount, sizeof(ret->h[0].mount), NULL) ==
			       0;
	if (discover_host(&all, NULL) < 0)
		return false;
	for (unsigned int i = 0; i < all.n; i++)
		if (all.h[i].version == 1 && all.h[i].controllers & 1U << CTL_FREEZER) {
			ret->h[0] = all.h[i];
			return true;
		}
	return false;
}

/* One that counts into a pipe, from inside the group. */
static pid_t count_inside(const struct tree *t, int pipe_fd)
{
	pid_t pid = fork();

	if (pid > 0)
		return pid;
	if (fd_write_file_at(t->b[0].base_fd, "c/cgroup.procs", "0") < 0)
		_exit(1);
	for (;;) {
		(void)!write(pipe_fd, "", 1);
		usleep(1000);
	}
}

static bool counts(int pipe_fd, int ms)
{
	struct pollfd p = {.fd = pipe_fd, .events = POLLIN};
	char buf[4096];

	while (read(pipe_fd, buf, sizeof(buf)) > 0)
		;
	return poll(&p, 1, ms) == 1;
}

static void await(const struct tree *t, bool wanted)
{
	bool frozen = !wanted;

	for (int i = 0; i < PATIENCE_MS / 10 && frozen != wanted; i++) {
		usleep(10000);
		assert_int_equal(freeze_get(t, "c", &frozen, NULL), 0);
	}
	assert_int_equal(frozen, wanted);
}

static void freeze_and_thaw(int version)
{
	struct tree t;
	struct layout l;
	struct err e = {0};
	char name[32];
	int pair[2];
	pid_t pid;

	if (geteuid() != 0 || !find_hierarchy(version, &l))
		skip();
	snprintf(name, sizeof(name), "tcgf%d", getpid());
	assert_int_equal(tree_open(&t, &l, name, &e), 0);
	assert_int_equal(tree_prepare(&t, &e), 0);
	assert_int_equal(mkdirat(t.b[0].base_fd, "c", 0755), 0);
	assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
	pid = count_inside(&t, pair[1]);
	assert_true(counts(pair[0], PATIENCE_MS));
	await(&t, false);
	assert_int_equal(freeze_set(&t, "c", true, &e), 0);
	await(&t, true);
	assert_false(counts(pair[0], 100));
	assert_int_equal(freeze_set(&t, "c", false, &e), 0);
	await(&t, false);
	assert_true(counts(pair[0], PATIENCE_MS));
	assert_int_equal(freeze_set(&t, "nobody", true, &e), -ENOENT);
	assert_int_equal(freeze_set(&t, "c", true, &e), 0);
	await(&t, true);
	kill(pid, SIGKILL);
	if (version == 2) {
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	} else {
		usleep(100000);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	}
	assert_int_equal(freeze_set(&t, "c", false, &e), 0);
	if (version == 1)
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(group_remove(&t, "c", &e), 0);
	assert_int_equal(tree_teardown(&t, &e), 0);
	tree_close(&t);
}

static void test_v1(void **state)
{
	(void)state;
	freeze_and_thaw(1);
}

static void test_v2(void **state)
{
	(void)state;
	freeze_and_thaw(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
