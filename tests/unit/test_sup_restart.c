/* SPDX-License-Identifier: MIT */
/*
 * Restart policies: what they want, and how long they wait.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/restart.h"

#define SECOND 1000000000ULL

static void test_pauses(void **state)
{
	static const uint64_t series[] = {
		100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
	uint64_t ms = 0;

	(void)state;
	for (unsigned int i = 0; i < sizeof(series) / sizeof(*series); i++) {
		ms = restart_next_pause(ms, i * SECOND / 10);
		assert_int_equal(ms, series[i]);
	}
	assert_int_equal(restart_next_pause(60000, 10 * SECOND - 1), 60000);
	assert_int_equal(restart_next_pause(60000, 10 * SECOND), 100);
	assert_int_equal(restart_next_pause(100, UINT64_MAX), 100);
}

static void test_wishes(void **state)
{
	static const struct {
		struct create o;
		uint32_t count, code;
		bool wanted;
	} cases[] = {
		{{.restart = NULL}, 0, 1, false},
		{{.restart = "no"}, 0, 1, false},
		{{.restart = "always"}, 9, 0, true},
		{{.restart = "unless-stopped"}, 9, 0, true},
		{{.restart = "on-failure"}, 0, 0, false},
		{{.restart = "on-failure"}, UINT32_MAX, 1, true},
		{{.restart = "on-failure", .restart_max = 2}, 1, 137, true},
		{{.restart = "on-failure", .restart_max = 2}, 2, 137, false},
		{{.restart = "on-failure", .restart_max = 2}, 1, 0, false},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(restart_wanted(&cases[i].o, cases[i].count, cases[i].code),
			cases[i].wanted);
}

/* What ctl would not say, somebody else may. */
static void test_refusals(void **state)
{
	static const struct create bad[] = {{.restart = "never"}, {.restart = ""},
		{.restart = "always", .autoremove = true},
		{.restart = "on-failure", .autoremove = true},
		{.restart = "always", .restart_max = 1}, {.restart_max = 1}};
	static const struct create good[] = {{.restart = NULL, .autoremove = true},
		{.restart = "no", .autoremove = true}, {.restart = "always"},
		{.restart = "on-failure", .restart_max = 3}};
	struct err e;

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(restart_check(&bad[i], &e), -EINVAL);
	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(restart_check(&good[i], &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
