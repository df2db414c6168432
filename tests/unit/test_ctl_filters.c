/* SPDX-License-Identifier: MIT */
/*
 * --filter: names and images; and the times that events are asked for by.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/ctl/filters.h"
#include "supervisor/ctl/parse.h"

static void names(void **state)
{
	static const struct {
		const char *name, *pattern;
		bool found;
	} rows[] = {
		{"web", "web", true},
		{"web2", "web", true},
		{"web", "web2", false},
		{"web", "", true},
		{"web", "^web$", true},
		{"web2", "^web$", false},
		{"web2", "^web", true},
		{"web", "^/web$", true},
		{"web2", "^/web$", false},
		{"web", "/web", true},
		{"web", "w.b", true},
		{"we", "w.b", false},
		{"web", "^(db|web)$", true},
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(filter_check_name(rows[i].pattern, &e), 0);
		assert_int_equal(filter_is_name(rows[i].name, rows[i].pattern), rows[i].found);
	}
	assert_int_equal(filter_check_name("a(b", &e), -EINVAL);
	assert_non_null(strstr(e.text, "\"a(b\" is no regular expression: "));
	assert_false(filter_is_name("a(b", "a(b"));
}

static void images(void **state)
{
	(void)state;
	assert_true(filter_is_image("busybox", "busybox"));
	assert_true(filter_is_image("busybox:1.36", "busybox"));
	assert_true(filter_is_image("busybox@sha256:12", "busybox"));
	assert_true(filter_is_image("busybox:1.36@sha256:12", "busybox"));
	assert_true(filter_is_image("localhost:5000/busybox:1", "localhost:5000/busybox"));
	assert_false(filter_is_image("localhost:5000/busybox", "localhost"));
	assert_false(filter_is_image("busybox2", "busybox"));
	assert_false(filter_is_image("busy", "busybox"));
}

static void no_times(void **state)
{
	static const char *const wrong[] = {"2026-02-30", "2026-04-31T00:00:00Z",
		"2025-02-29T10:00", "2026-01-02T15:04:60Z", "2026-01-02T15:04:05+24:00",
		"2026-01-02T15:04:05+01:60"};
	static const char *const right[] = {"2024-02-29", "2026-04-30T00:00:00Z",
		"2026-12-31T23:59:59.5+14:00", "2026-01-02T15:04:05-11:30"};
	uint64_t v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(parse_time(wrong[i], 0, &v, &e), -EINVAL);
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_int_equal(parse_time(right[i], 0, &v, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(images),
		cmocka_unit_test(no_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
