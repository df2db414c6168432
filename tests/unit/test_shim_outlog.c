/* SPDX-License-Identifier: MIT */
/*
 * The log writer: shim/outlog.c, on a directory in /tmp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/outlog.h"

#define TIME_NS 1795374000123456789ULL
#define STAMP	"2026-11-22T19:00:00.123456789Z"

struct fixture {
	char path[64];
	int dir; /* ours: the log has a duplicate */
	struct outlog log;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/tsh-outlog.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(outlog_open(&f->log, dup(f->dir), NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"log", "log.1", "log.2"};
	struct fixture *f = *state;

	outlog_close(&f->log);
	for (size_t i = 0; i < 3; i++)
		unlinkat(f->dir, names[i], 0);
	close(f->dir);
	assert_int_equal(rmdir(f->path), 0);
	free(f);
	return 0;
}

static char *contents(struct fixture *f, const char *name, size_t *n)
{
	char *text = NULL;

	assert_int_equal(fd_read_file_at(f->dir, name, 64U << 20, &text, n), 0);
	return text;
}

static void say(struct fixture *f, const char *stream, const char *text)
{
	outlog_write(&f->log, stream, TIME_NS, (const uint8_t *)text, strlen(text));
}

static void test_time(void **state)
{
	static const struct {
		uint64_t s;
		const char *text;
	} cases[] = {{0, "1970-01-01T00:00:00.000000000Z"},
		{951782399, "2000-02-28T23:59:59.000000000Z"},
		{951782400, "2000-02-29T00:00:00.000000000Z"},
		{951868800, "2000-03-01T00:00:00.000000000Z"},
		{1709164800, "2024-02-29T00:00:00.000000000Z"},
		{4107542399, "2100-02-28T23:59:59.000000000Z"},
		{4107542400, "2100-03-01T00:00:00.000000000Z"},
		{1735689599, "2024-12-31T23:59:59.000000000Z"}};
	char buf[OUTLOG_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		outlog_time(cases[i].s * 1000000000ULL, buf);
		assert_string_equal(buf, cases[i].text);
	}
	outlog_time(TIME_NS, buf);
	assert_string_equal(buf, STAMP);
}

static void test_lines(void **state)
{
	struct fixture *f = *state;
	char *text;

	say(f, "stdout", "one\ntwo\n\n");
	say(f, "stderr", "prompt: ");
	say(f, "stdout", "x\ny");
	text = contents(f, "log", NULL);
	assert_string_equal(text,
		STAMP " stdout F one\n" STAMP " stdout F two\n" STAMP " stdout F \n" STAMP
		      " stderr P prompt: \n" STAMP " stdout F x\n" STAMP " stdout P y\n");
	free(text);
}

/* Records of at most 16 KiB of text, which put together give the line back. */
static void test_long_line(void **state)
{
	struct fixture *f = *state;
	size_t n = 3 * OUTLOG_RECORD + 5, len, at = 0, text = 0;
	uint8_t *line = malloc(n + 1);
	char *log;

	memset(line, 'a', n);
	line[n] = '\n';
	outlog_write(&f->log, "stdout", TIME_NS, line, n + 1);
	log = contents(f, "log", &len);
	while (at < len) {
		size_t row = strcspn(log + at, "\n"), head = sizeof(STAMP " stdout P ") - 1;

		assert_memory_equal(log + at + head - 2, text + row - head < n ? "P" : "F", 1);
		assert_true(row - head <= OUTLOG_RECORD);
		text += row - head;
		at += row + 1;
	}
	assert_int_equal(text, n);
	free(log);
	free(line);
}

/* A line whose text is exactly one record long stays whole. */
static void test_line_of_one_record(void **state)
{
	struct fixture *f = *state;
	uint8_t line[OUTLOG_RECORD + 1];
	char *log;

	memset(line, 'b', OUTLOG_RECORD);
	line[OUTLOG_RECORD] = '\n';
	outlog_write(&f->log, "stdout", TIME_NS, line, sizeof(line));
	log = contents(f, "log", NULL);
	assert_non_null(strstr(log, " stdout F b"));
	assert_null(strstr(log, " P "));
	free(log);
}

static uint64_t size_of(struct fixture *f, const char *name)
{
	struct stat st;

	return fstatat(f->dir, name, &st, 0) < 0 ? UINT64_MAX : (uint64_t)st.st_size;
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	char line[64];

	f->log.max = 4096;
	for (int i = 0; i < 1000; i++) {
		sprintf(line, "line %d\n", i);
		say(f, "stdout", line);
	}
	assert_in_range(size_of(f, "log"), 1, 4096);
	assert_in_range(size_of(f, "log.1"), 4000, 4096);
	assert_in_range(size_of(f, "log.2"), 4000, 4096);
	assert_true(size_of(f, "log.3") == UINT64_MAX);
}

/* Nothing is lost or doubled across the change of files. */
static void test_rotation_keeps_order(void **state)
{
	static const char *const names[] = {"log.2", "log.1", "log"};
	struct fixture *f = *state;
	char line[64], *text, *p;
	int next = -1, got;

	f->log.max = 4096;
	for (int i = 0; i < 300; i++) {
		sprintf(line, "line %d\n", i);
		say(f, "stdout", line);
	}
	for (size_t i = 0; i < 3; i++) {
		text = contents(f, names[i], NULL);
		for (p = text; (p = strstr(p, "line ")); p++) {
			got = atoi(p + 5);
			assert_true(next < 0 || got == next);
			next = got + 1;
		}
		free(text);
	}
	assert_int_equal(next, 300);
}

static void test_goes_on_after_reopen(void **state)
{
	struct fixture *f = *state;
	char *text;

	say(f, "stdout", "before\n");
	outlog_close(&f->log);
	assert_int_equal(outlog_open(&f->log, dup(f->dir), NULL), 0);
	say(f, "stdout", "after\n");
	text = contents(f, "log", NULL);
	assert_string_equal(text, STAMP " stdout F before\n" STAMP " stdout F after\n");
	free(text);
}

/* A file size limit stands for a full disk: the write is cut short, later ones fail, then there is
 * room again. */
static void test_full_disk(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small = {100, RLIM_INFINITY};
	char *text;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	say(f, "stdout", "a line that fits into it\n");
	say(f, "stdout", "a line that is going to be cut somewhere\n");
	say(f, "stdout", "lost\n");
	setrlimit(RLIMIT_FSIZE, &old);
	say(f, "stdout", "back\n");
	text = contents(f, "log", NULL);
	assert_non_null(strstr(text, " F a line that fits into it\n"));
	assert_null(strstr(text, "lost"));
	assert_non_null(strstr(text, "\n" STAMP " stdout F back\n"));
	free(text);
}

static void test_refuses_a_link(void **state)
{
	struct fixture *f = *state;
	struct outlog other;

	unlinkat(f->dir, "log", 0);
	assert_int_equal(symlinkat("/dev/null", f->dir, "log"), 0);
	assert_int_equal(outlog_open(&other, dup(f->dir), NULL), -ELOOP);
	outlog_close(&other);
}

#define with(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		with(test_lines),
		with(test_long_line),
		with(test_line_of_one_record),
		with(test_rotation),
		with(test_rotation_keeps_order),
		with(test_goes_on_after_reopen),
		with(test_full_disk),
		with(test_refuses_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
