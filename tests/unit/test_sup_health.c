/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of health checks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/health.h"

#define MS     1000000ULL
#define SECOND (1000 * MS)

static const char *shell[] = {"CMD-SHELL", "exit 1"};
static const char *words[] = {"CMD", "test", "-e", "/x"};
static const char *none[] = {"NONE"};

static void test_merge(void **state)
{
	const struct health image = {.test = {words, 4}, .interval = SECOND, .retries = 7};
	const struct health user = {.timeout = 2 * SECOND, .retries = 1};
	const struct health off = {.test = {none, 1}}, other = {.test = {shell, 2}};
	struct health h;

	(void)state;
	assert_false(health_merge(NULL, NULL, &h));
	assert_true(health_merge(NULL, &image, &h));
	assert_true(h.interval == SECOND && h.timeout == 30 * SECOND && h.retries == 7);
	assert_true(h.start_period == 0 && h.start_interval == 5 * SECOND);
	assert_true(health_merge(&user, &image, &h));
	assert_true(h.interval == SECOND && h.timeout == 2 * SECOND && h.retries == 1);
	assert_int_equal(h.test.n, 4);
	assert_false(health_merge(&user, NULL, &h));
	assert_false(health_merge(&off, &image, &h));
	assert_true(health_merge(&other, &image, &h));
	assert_string_equal(h.test.v[1], "exit 1");
	assert_true(health_merge(&other, NULL, &h));
	assert_true(h.interval == 30 * SECOND && h.retries == 3);
}

static void test_command(void **state)
{
	static const char *bad[][3] = {
		{"CMD"}, {"CMD", ""}, {"NONE", "x"}, {"cmd", "x"}, {"CMD-SHELL"}};
	static const uint32_t n[] = {1, 2, 2, 2, 1};
	struct health h = {.test = {shell, 2}};
	const char *v[256];
	struct strv ret;

	(void)state;
	assert_true(health_command(&h, v, &ret));
	assert_int_equal(ret.n, 3);
	assert_string_equal(ret.v[0], "/bin/sh");
	assert_string_equal(ret.v[2], "exit 1");
	h.test = (struct strv){words, 4};
	assert_true(health_command(&h, v, &ret));
	assert_int_equal(ret.n, 3);
	assert_string_equal(ret.v[0], "test");
	for (unsigned int i = 0; i < sizeof(n) / sizeof(*n); i++) {
		h.test = (struct strv){bad[i], n[i]};
		assert_false(health_command(&h, v, &ret));
	}
}

static void test_pauses(void **state)
{
	const struct health h = {
		.interval = 30 * SECOND, .start_period = 60 * SECOND, .start_interval = 5 * SECOND};
	const struct health fast = {.interval = 1};

	(void)state;
	assert_int_equal(health_pause_ms(&h, true, 0), 5000);
	assert_int_equal(health_pause_ms(&h, false, 0), 30000);
	assert_int_equal(health_pause_ms(&h, true, 58 * SECOND), 2000);
	assert_int_equal(health_pause_ms(&h, true, 40 * SECOND), 5000);
	assert_int_equal(health_pause_ms(&h, false, 58 * SECOND), 2000);
	assert_int_equal(health_pause_ms(&h, true, 60 * SECOND), 30000);
	assert_int_equal(health_pause_ms(&h, true, UINT64_MAX), 30000);
	assert_int_equal(health_pause_ms(&fast, true, 0), 1);
}

static void test_verdicts(void **state)
{
	const struct health h = {.retries = 3, .start_period = 10 * SECOND};
	struct health_state s = {.status = "starting"};

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_false(health_judge(&s, &h, false, 10 * SECOND - 1));
	assert_true(strcmp(s.status, "starting") == 0 && s.streak == 0);
	assert_false(health_judge(&s, &h, false, 10 * SECOND));
	assert_false(health_judge(&s, &h, false, 11 * SECOND));
	assert_string_equal(s.status, "starting");
	assert_true(health_judge(&s, &h, false, 12 * SECOND));
	assert_string_equal(s.status, "unhealthy");
	assert_false(health_judge(&s, &h, false, 13 * SECOND)); /* once */
	assert_int_equal(s.streak, 4);
	assert_false(health_judge(&s, &h, true, 14 * SECOND));
	assert_true(strcmp(s.status, "healthy") == 0 && s.streak == 0);
	/* Once it has been well, failures count, start period or not. */
	assert_false(health_judge(&s, &h, false, 0));
	assert_int_equal(s.streak, 1);
	assert_false(health_judge(&s, &h, true, 0));
	assert_int_equal(s.streak, 0);
}

static void test_refusals(void **state)
{
	struct health tiny = {.start_interval = MS - 1}, fine = {.timeout = MS};
	const struct create bad[] = {{.health_action = "die"}, {.health_action = ""},
		{.health_action = "restart", .autoremove = true}, {.health = &tiny}};
	const struct create good[] = {{.autoremove = true},
		{.health_action = "kill", .autoremove = true}, {.health_action = "restart"},
		{.health = &fine}};
	struct err e;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(health_check_options(&bad[i], &e), -EINVAL);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(health_check_options(&good[i], &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
