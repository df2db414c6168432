/* SPDX-License-Identifier: MIT */
/*
 * Records that survive: every byte flipped, every state that a power cut can leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/keep.h"

struct place {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->path, "/tmp/test-keep.XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char cmd[128];

	close(p->dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", p->path);
	assert_int_equal(system(cmd), 0);
	free(p);
	return 0;
}

static void put(struct place *p, const char *text)
{
	assert_int_equal(keep_write(p->dir, "r", text, strlen(text), NULL), 0);
}

/* NULL: there is none, and keep_read says `code`. */
static void expect(struct place *p, const char *text, int code)
{
	uint8_t *buf = NULL;
	size_t n = 0;

	assert_int_equal(keep_read(p->dir, "r", 100, &buf, &n), code);
	if (text) {
		assert_int_equal(n, strlen(text));
		assert_memory_equal(buf, text, n);
	}
	free(buf);
}

static void make(struct place *p, const char *name, const char *bytes, size_t n)
{
	int fd = openat(p->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(fd_write_all(fd, bytes, n), 0);
	close(fd);
}

static bool is_there(struct place *p, const char *name)
{
	return faccessat(p->dir, name, F_OK, 0) == 0;
}

static void newest_is_read_and_the_old_one_goes_when_it_is_on_the_disk(void **state)
{
	struct place *p = *state;
	int first, second;

	expect(p, NULL, -ENOENT);
	assert_int_equal(keep_write(p->dir, "r", "one", 3, &first), 0);
	expect(p, "one", 0);
	assert_int_equal(keep_write(p->dir, "r", "second", 6, &second), 0);
	expect(p, "second", 0);
	assert_true(is_there(p, "r.old"));
	/* That an earlier one has come to the disk says nothing of the newest. */
	assert_int_equal(keep_settle(p->dir, "r", first), 0);
	assert_true(is_there(p, "r.old"));
	assert_int_equal(keep_settle(p->dir, "r", second), 0);
	assert_false(is_there(p, "r.old"));
	expect(p, "second", 0);
	close(first);
	close(second);
	assert_int_equal(keep_remove(p->dir, "r"), 0);
	expect(p, NULL, -ENOENT);
}

/* Neither of two newer ones has reached the disk: the last that had is what is left. */
static void the_last_that_was_on_the_disk_is_kept_through_several(void **state)
{
	struct place *p = *state;
	int fd;

	assert_int_equal(keep_write(p->dir, "r", "one", 3, &fd), 0);
	assert_int_equal(keep_settle(p->dir, "r", fd), 0);
	close(fd);
	put(p, "two");
	put(p, "three");
	make(p, "r", "", 0);
	expect(p, "one", 1);
	make(p, "r", "\0\0\0\0", 4);
	expect(p, "one", 1);
	assert_int_equal(unlinkat(p->dir, "r", 0), 0);
	expect(p, "one", 1);
	/* And it stays what there is to fall back on. */
	put(p, "four");
	expect(p, "four", 0);
	make(p, "r", "", 0);
	expect(p, "one", 1);
}

static void any_flipped_byte_is_seen(void **state)
{
	struct place *p = *state;
	char bytes[64];
	ssize_t n;
	int fd;

	put(p, "some record");
	fd = openat(p->dir, "r", O_RDONLY | O_CLOEXEC);
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_true(n > 11);
	for (ssize_t i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (char)(1 << bit);
			make(p, "r", bytes, (size_t)n);
			expect(p, NULL, -EBADMSG);
			bytes[i] ^= (char)(1 << bit);
		}
	for (ssize_t i = 1; i < n; i++) {
		make(p, "r", bytes, (size_t)i);
		expect(p, NULL, -EBADMSG);
	}
	make(p, "r", bytes, (size_t)n);
	expect(p, "some record", 0);
}

static void damaged_is_told_from_never_complete(void **state)
{
	struct place *p = *state;

	make(p, "r", "", 0);
	expect(p, NULL, -ENODATA);
	make(p, "r.old", "", 0);
	expect(p, NULL, -ENODATA);
	make(p, "r.old", "rubbish", 7);
	expect(p, NULL, -EBADMSG);
	make(p, "r", "rubbish", 7);
	assert_int_equal(unlinkat(p->dir, "r.old", 0), 0);
	expect(p, NULL, -EBADMSG);
}

static void a_write_that_fails_changes_nothing(void **state)
{
	struct place *p = *state;

	put(p, "one");
	assert_int_equal(mkdirat(p->dir, ".r.tmp", 0700), 0);
	assert_int_equal(keep_write(p->dir, "r", "two", 3, NULL), -EISDIR);
	expect(p, "one", 0);
	assert_false(is_there(p, "r.old"));
}

#define KEEP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEP_TEST(newest_is_read_and_the_old_one_goes_when_it_is_on_the_disk),
		KEEP_TEST(the_last_that_was_on_the_disk_is_kept_through_several),
		KEEP_TEST(any_flipped_byte_is_seen),
		KEEP_TEST(damaged_is_told_from_never_complete),
		KEEP_TEST(a_write_that_fails_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
