/* SPDX-License-Identifier: MIT */
/*
 * The loop: what stops it, and when.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"

static int setup(void **state)
{
	*state = loop_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	loop_free(*state);
	return 0;
}

static void on_time(void *arg)
{
	loop_stop(arg, 4);
}

static void test_stopped_before_it_runs(void **state)
{
	struct loop *l = *state;
	struct watch *w = loop_timer(l, 0, on_time, l);

	loop_stop(l, 3);
	assert_int_equal(loop_run(l), 3);
	/* Once: the next run goes on until somebody stops it. */
	assert_int_equal(loop_run(l), 4);
	watch_free(w);
}

static void on_signal(void *arg)
{
	loop_stop(arg, 5);
}

static void test_signal(void **state)
{
	struct loop *l = *state;
	struct err e = {0};

	assert_int_equal(loop_signal(l, SIGUSR1, on_signal, l, &e), 0);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(l), 5);
}

static void test_too_many_signals(void **state)
{
	struct loop *l = *state;
	struct err e = {0};
	int r = 0;

	assert_int_equal(loop_stop_on_signals(l, &e), 0);
	for (int i = 0; i < 16 && r == 0; i++)
		r = loop_signal(l, SIGUSR1, on_signal, l, &e);
	assert_int_equal(r, -ENOMEM);
	assert_string_equal(e.text, "SIGUSR1 cannot be watched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stopped_before_it_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_signals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
