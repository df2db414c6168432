/* SPDX-License-Identifier: MIT */
/*
 * Emptying a directory, at once and in slices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"
#include "clean.h"

static void make_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* Three levels of three directories, each with three files; names of the kind that is given to what
 * is moved up; a link that leads out. */
static unsigned int fill(int dir, unsigned int depth)
{
	unsigned int n = 0;
	char name[8];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(dir, name);
		snprintf(name, sizeof(name), ".%d", i);
		assert_int_equal(mkdirat(dir, name, 0700), 0);
		n += 2;
		if (depth > 1) {
			_cleanup_fd_ int sub =
				openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			n += fill(sub, depth - 1);
		}
	}
	return n;
}

struct place {
	char path[32];
	int dir;
	unsigned int entries;
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->path, "/tmp/clean-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->entries = fill(p->dir, 3);
	assert_int_equal(symlinkat("/tmp", p->dir, "out"), 0);
	*state = p;
	return 0;
}

static int drop_place(void **state)
{
	struct place *p = *state;
	int r = rmdir(p->path); /* it is empty, or this fails */

	close(p->dir);
	free(p);
	return r;
}

static void test_at_once(void **state)
{
	struct place *p = *state;
	struct err e = {0};

	assert_int_equal(clean_directory(p->dir, &e), 0);
}

/* Each slice, however short, takes something away. */
static void test_slices(void **state)
{
	struct place *p = *state;
	unsigned int n = 0;
	struct err e = {0};
	int r;

	while ((r = clean_slice(p->dir, 0, &e)) == -EINPROGRESS && n <= 4 * p->entries)
		n++;
	assert_int_equal(r, 0);
	assert_true(n >= p->entries / 2);
}

static void test_slice_is_enough(void **state)
{
	struct place *p = *state;
	struct err e = {0};

	assert_int_equal(clean_slice(p->dir, 60000, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_at_once, make_place, drop_place),
		cmocka_unit_test_setup_teardown(test_slices, make_place, drop_place),
		cmocka_unit_test_setup_teardown(test_slice_is_enough, make_place, drop_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
