/* SPDX-License-Identifier: MIT */
/*
 * Who gives files away, asked as by an unpacker that was taken over.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "frame.h"
#include "supervisor/ctl/copy.h"

struct giver {
	pid_t pid;
	int sock, file;
};

static int set_up(void **state)
{
	static struct giver g;
	struct err e = {0};

	assert_int_equal(copy_give_start(&g.pid, &g.sock, &e), 0);
	g.file = memfd_create("file", MFD_CLOEXEC);
	*state = &g;
	return 0;
}

static int tear_down(void **state)
{
	struct giver *g = *state;
	int status;

	close(g->sock);
	close(g->file);
	assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
	assert_int_equal(status, 0);
	return 0;
}

static uid_t owner(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_uid;
}

static void test_gives(void **state)
{
	struct giver *g = *state;
	int r = copy_give(&g->sock, g->file, 12345, 54321);

	assert_int_equal(r, geteuid() == 0 ? 0 : -EPERM);
	assert_int_equal(owner(g->file), geteuid() == 0 ? 12345 : geteuid());
	/* It isn't the caller's any more. */
	if (geteuid() == 0)
		assert_int_equal(copy_give(&g->sock, g->file, 0, 0), -EPERM);
}

/* By O_PATH whoever is behind Landlock reaches every file. */
static void test_by_path(void **state)
{
	struct giver *g = *state;
	_cleanup_fd_ int fd = open("/etc/passwd", O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(copy_give(&g->sock, fd, geteuid(), getegid()),
		owner(fd) == geteuid() ? -EBADF : -EPERM);
}

static void test_no_file(void **state)
{
	struct giver *g = *state;
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(copy_give(&g->sock, p[0], 1, 1), -EPERM);
	assert_int_equal(copy_give(&g->sock, null, 1, 1), -EPERM);
	assert_int_equal(copy_give(&g->sock, g->sock, 1, 1), -EPERM);
	close(p[0]);
	close(p[1]);
}

/* No number, or no file with it: it ends, and whoever asked hears of it. */
static void test_nonsense(void **state)
{
	struct giver *g = *state;
	static const uint8_t half[4] = {1};

	assert_int_equal(frame_send_raw(g->sock, half, sizeof(half), &g->file, 1), 0);
	assert_int_equal(copy_give(&g->sock, g->file, 1, 1), -ECHILD);
	assert_int_equal(owner(g->file), geteuid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_by_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
