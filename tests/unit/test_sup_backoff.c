/* SPDX-License-Identifier: MIT */
/*
 * The pauses between two starts of what has died.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/backoff.h"

#define MS UINT64_C(1000000)

static void test_dies_at_once(void **state)
{
	static const uint64_t want[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
	struct backoff b = {0};

	(void)state;
	for (unsigned int i = 0; i < sizeof(want) / sizeof(*want); i++) {
		backoff_started(&b, (i + 1) * 10000 * MS);
		assert_int_equal(backoff_pause(&b, (i + 1) * 10000 * MS + 999 * MS), want[i]);
	}
}

static void test_was_well(void **state)
{
	struct backoff b = {0};

	(void)state;
	backoff_started(&b, 1);
	assert_int_equal(backoff_pause(&b, 2), 100);
	backoff_started(&b, 3);
	assert_int_equal(backoff_pause(&b, 4), 200);
	backoff_started(&b, 5);
	assert_int_equal(backoff_pause(&b, 5 + 1000 * MS), 100);
	backoff_started(&b, 6 + 1000 * MS);
	assert_int_equal(backoff_pause(&b, 7 + 1000 * MS), 200);
}

/* Then there is no life to measure. */
static void test_not_started(void **state)
{
	struct backoff b = {0};

	(void)state;
	backoff_started(&b, 1);
	assert_int_equal(backoff_pause(&b, 5000 * MS), 100);
	assert_int_equal(backoff_pause(&b, 90000 * MS), 200);
	assert_int_equal(backoff_pause(&b, 99000 * MS), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dies_at_once),
		cmocka_unit_test(test_was_well),
		cmocka_unit_test(test_not_started),
	};

	return cmocka_run_group_tests_name("sup_backoff", tests, NULL, NULL);
}
