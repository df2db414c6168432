/* SPDX-License-Identifier: MIT */
/*
 * The step runner: order, side by side within a group, and undo backwards after a failure.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/job.h"

/* What happened, a letter each: small = start, capital = undo. */
static char trace[32];
static void *waiting[4];
static unsigned int n_waiting;
static int ended; /* 1: well, -1: failed */
static char sentence[ERR_TEXT_MAX];

static void note(char c)
{
	size_t n = strlen(trace);

	trace[n] = c;
	trace[n + 1] = '\0';
}

#define STEP(letter, capital)                                                                      \
	static void do_##letter(struct job *j, void *ref)                                          \
	{                                                                                          \
		(void)j;                                                                           \
		note(#letter[0]);                                                                  \
		waiting[n_waiting++] = ref;                                                        \
	}                                                                                          \
	static void undo_##letter(struct job *j)                                                   \
	{                                                                                          \
		(void)j;                                                                           \
		note(capital);                                                                     \
	}
STEP(a, 'A')
STEP(b, 'B')
STEP(c, 'C')

static bool never(const struct job *j)
{
	(void)j;
	return false;
}

static void at_once(struct job *j, void *ref)
{
	(void)j;
	note('o');
	job_step_done(ref, NULL);
}

static const struct step steps[] = {
	{"one", 0, NULL, do_a, undo_a},
	{"skipped", 1, never, do_a, undo_a},
	{"two", 1, NULL, do_b, undo_b},
	{"three", 1, NULL, do_c, undo_c},
	{"four", 2, NULL, at_once, NULL},
	{0},
};

static void on_end(struct job *j, const struct err *e)
{
	(void)j;
	ended = e ? -1 : 1;
	snprintf(sentence, sizeof(sentence), "%s", e ? e->text : "");
}

static int reset(void **state)
{
	(void)state;
	trace[0] = '\0';
	n_waiting = 0;
	ended = 0;
	return 0;
}

static void all_well(void **state)
{
	(void)state;
	job_begin(NULL, NULL, steps, false, NULL, on_end);
	assert_string_equal(trace, "a");
	job_step_done(waiting[0], NULL);
	assert_string_equal(trace, "abc");
	job_step_done(waiting[2], NULL);
	assert_int_equal(ended, 0);
	job_step_done(waiting[1], NULL);
	assert_string_equal(trace, "abco");
	assert_int_equal(ended, 1);
}

/* One of a group fails: the other is awaited, then undone, then what came before. */
static void failure_undoes_backwards(void **state)
{
	const struct err e = {ENOSPC, "disk full"};

	(void)state;
	job_begin(NULL, NULL, steps, false, NULL, on_end);
	job_step_done(waiting[0], NULL);
	job_step_done(waiting[1], &e);
	assert_int_equal(ended, 0);
	job_step_done(waiting[2], NULL);
	assert_int_equal(ended, -1);
	assert_string_equal(trace, "abcCA");
	assert_string_equal(sentence, "two: disk full");
}

static void best_effort_goes_on(void **state)
{
	const struct err e = {EBUSY, "busy"};

	(void)state;
	job_begin(NULL, NULL, steps, true, NULL, on_end);
	job_step_done(waiting[0], &e);
	job_step_done(waiting[1], NULL);
	job_step_done(waiting[2], NULL);
	assert_int_equal(ended, -1);
	assert_string_equal(trace, "abco");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_well, reset),
		cmocka_unit_test_setup(failure_undoes_backwards, reset),
		cmocka_unit_test_setup(best_effort_goes_on, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
