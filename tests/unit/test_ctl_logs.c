/* SPDX-License-Identifier: MIT */
/*
 * Reading a container's log: records, joined lines, --tail and --since, following over rotations.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/util.h"
#include "supervisor/ctl/logs.h"

#define T(n)	  "2026-11-22T19:00:0" #n ".000000000Z "
#define SECOND(n) (1795374000000000000U + (n)*1000000000U)

struct fixture {
	char path[64];
	int dir, out; /* out: where stdout goes meanwhile */
	int saved;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/test_ctl_logs.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->out = open(f->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	fflush(stdout);
	f->saved = dup(STDOUT_FILENO);
	*state = f;
	return f->dir >= 0 && f->out >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"log", "log.1", "log.2"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(f->dir, names[i], 0);
	rmdir(f->path);
	close(f->dir);
	close(f->out);
	close(f->saved);
	free(f);
	return 0;
}

static void append(struct fixture *f, const char *name, const char *text)
{
	_cleanup_fd_ int fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* Prints with stdout in a file, and gives what came. Fresh; the caller frees. */
static char *print(struct fixture *f, struct logs *l, bool finish, int want)
{
	struct err e = {0};
	char *text;
	int r;

	assert_int_equal(ftruncate(f->out, 0), 0);
	lseek(f->out, 0, SEEK_SET);
	dup2(f->out, STDOUT_FILENO);
	r = logs_print(l, &e);
	if (finish)
		logs_finish(l);
	fflush(stdout);
	dup2(f->saved, STDOUT_FILENO);
	assert_int_equal(r, want);
	lseek(f->out, 0, SEEK_SET);
	assert_int_equal(fd_read_file(f->out, 1 << 24, &text, NULL), 0);
	return text;
}

static void expect(struct fixture *f, const struct logs_setup *s, int want_r, const char *want)
{
	struct logs *l = logs_open(f->dir, s);
	char *text = print(f, l, true, want_r);

	assert_string_equal(text, want);
	free(text);
	logs_free(l);
}

static void test_records(void **state)
{
	struct record r;
	const char *good = T(1) "stderr P text with spaces", *empty = T(1) "stdout F ";

	(void)state;
	assert_true(record_parse(good, strlen(good), &r));
	assert_true(r.err && r.partial && r.time == SECOND(1));
	assert_int_equal(r.text_n, 16);
	assert_true(record_parse(empty, strlen(empty), &r));
	assert_true(!r.err && !r.partial);
	assert_int_equal(r.text_n, 0);
	for (size_t n = 0; n < strlen(empty); n++)
		assert_false(record_parse(empty, n, &r));
	assert_false(record_parse("x stdout F a", 12, &r));
	assert_false(record_parse(T(1) "stdlog F a", strlen(T(1) "stdlog F a"), &r));
	assert_false(record_parse(T(1) "stdout X a", strlen(T(1) "stdout X a"), &r));
}

static void test_print(void **state)
{
	struct fixture *f = *state;
	struct logs_setup s = {.tail = UINT64_MAX};

	append(f, "log.1", T(1) "stdout F one\n" T(2) "stdout P tw\n");
	append(f, "log", T(3) "stdout F o\n" T(4) "stdout F \ngarbage\n" T(5) "stdout P end");
	append(f, "log", "\n");
	expect(f, &s, 0, "one\ntwo\n\nend");
	s.tail = 2;
	expect(f, &s, 0, "\nend");
	s.tail = 1;
	expect(f, &s, 0, "end");
	s.tail = 0;
	expect(f, &s, 0, "");
	s = (struct logs_setup){.tail = UINT64_MAX, .since = SECOND(3), .until = SECOND(4)};
	expect(f, &s, 1, "o\n\n");
	s = (struct logs_setup){.tail = 1, .timestamps = true, .until = SECOND(3)};
	expect(f, &s, 1, T(2) "two\n");
}

static void test_long_line(void **state)
{
	struct fixture *f = *state;
	const struct logs_setup s = {.tail = UINT64_MAX};
	struct logs *l = logs_open(f->dir, &s);
	char piece[16384 + 64], *text;
	size_t head = (size_t)snprintf(piece, sizeof(piece), "%s", T(1) "stdout P ");

	memset(piece + head, 'x', 16384);
	strcpy(piece + head + 16384, "\n");
	for (int i = 0; i < 100; i++)
		append(f, "log", piece);
	append(f, "log", T(2) "stdout F \n");
	text = print(f, l, true, 0);
	assert_int_equal(strlen(text), 1638401);
	assert_int_equal(strspn(text, "x"), 1638400);
	free(text);
	logs_free(l);
}

/* Each step is what the shim may have done between two looks. */
static void test_follow(void **state)
{
	struct fixture *f = *state;
	const struct logs_setup s = {.tail = UINT64_MAX};
	struct logs *l = logs_open(f->dir, &s);
	char *text = print(f, l, false, 0);

	assert_string_equal(text, "");
	free(text);
	append(f, "log", T(1) "stdout F a\n" T(1) "std");
	text = print(f, l, false, 0);
	assert_string_equal(text, "a\n");
	free(text);
	append(f, "log", "out F b\n");
	renameat(f->dir, "log", f->dir, "log.1");
	append(f, "log.1", T(2) "stdout F c\n");
	text = print(f, l, false, 0);
	assert_string_equal(text, "b\nc\n");
	free(text);
	append(f, "log", T(3) "stdout F d\n");
	renameat(f->dir, "log.1", f->dir, "log.2");
	renameat(f->dir, "log", f->dir, "log.1");
	append(f, "log", T(4) "stdout F e\n");
	text = print(f, l, false, 0);
	assert_string_equal(text, "d\ne\n");
	free(text);
	text = print(f, l, true, 0);
	assert_string_equal(text, "");
	free(text);
	logs_free(l);
}

static void test_hostile_files(void **state)
{
	struct fixture *f = *state;
	const struct logs_setup s = {.tail = UINT64_MAX};
	struct logs *l = logs_open(f->dir, &s);
	struct err e = {0};

	assert_int_equal(symlinkat("/etc/passwd", f->dir, "log"), 0);
	assert_int_equal(logs_print(l, &e), -ELOOP);
	unlinkat(f->dir, "log", 0);
	assert_int_equal(mkfifoat(f->dir, "log", 0600), 0);
	assert_int_equal(logs_print(l, &e), -EINVAL);
	logs_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_follow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_files, setup, teardown),
	};

	return cmocka_run_group_tests_name("ctl_logs", tests, NULL, NULL);
}
