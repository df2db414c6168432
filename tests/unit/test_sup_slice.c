/* SPDX-License-Identifier: MIT */
/*
 * Names of slices and where they lie.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/slice.h"

static void names(void **state)
{
	static const struct {
		const char *name, *path; /* NULL: refused */
	} rows[] = {
		{"web.slice", "web.slice"},
		{"web_1.slice", "web_1.slice"},
		{"web-front.slice", "web.slice/web-front.slice"},
		{"a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice"},
		{"", NULL},
		{".slice", NULL},
		{"web", NULL},
		{"web.slic", NULL},
		{"web.slices", NULL},
		{"web.slice.", NULL},
		{"-.slice", NULL},
		{"-web.slice", NULL},
		{"web-.slice", NULL},
		{"web--front.slice", NULL},
		{"a.b.slice", NULL},
		{"a/b.slice", NULL},
		{"../b.slice", NULL},
		{"a b.slice", NULL},
		{"a\n.slice", NULL},
		{"w\xc3\xa9"
		 "b.slice",
			NULL},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[SLICE_PATH_MAX + 1];
		struct err e = {0};
		int r = slice_expand(rows[i].name, path, &e);

		assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
		else
			assert_non_null(strstr(e.text, " is no slice: "));
	}
}

/* From one that fits, a byte more at a time: the path is whole, or it is refused. */
static void lengths(void **state)
{
	static const char tail[] = "-b.slice";
	char name[256], path[SLICE_PATH_MAX + 1];
	unsigned int fit = 0;

	(void)state;
	for (size_t n = 1; n + sizeof(tail) < sizeof(name); n++) {
		struct err e = {0};

		memset(name, 'a', n);
		strcpy(name + n, tail);
		if (slice_expand(name, path, &e) == 0) {
			assert_int_equal(strlen(path), n + strlen(".slice/") + strlen(name));
			fit++;
		} else {
			assert_non_null(strstr(e.text, "is nested too deep"));
		}
	}
	assert_int_equal(fit, (SLICE_PATH_MAX - strlen(".slice/") - strlen(tail)) / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
