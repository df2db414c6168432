/* SPDX-License-Identifier: MIT */
/*
 * What the operator may say of mirrors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imaged/mirror.h"

static void reads_mirrors(void **state)
{
	static const struct {
		const char *text, *registry, *domain, *prefix;
	} rows[] = {
		{"docker.io=m.example", "docker.io", "m.example", ""},
		{"docker.io=m.example:5000", "docker.io", "m.example:5000", ""},
		{"127.0.0.1:5000=[::1]:5001", "127.0.0.1:5000", "[::1]:5001", ""},
		{"docker.io=m.example/hub", "docker.io", "m.example", "hub/"},
		{"docker.io=m.example/hub/two/", "docker.io", "m.example", "hub/two/"},
		{"docker.io=m.example/", "docker.io", "m.example", ""},
	};
	struct mirror m;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (mirror_parse(rows[i].text, &m, &e) < 0)
			fail_msg("refused %s: %s", rows[i].text, e.text);
		assert_string_equal(m.registry, rows[i].registry);
		assert_string_equal(m.domain, rows[i].domain);
		assert_string_equal(m.prefix, rows[i].prefix);
	}
}

static void refuses_mirrors(void **state)
{
	static const char *const bad[] = {"", "=", "docker.io", "docker.io=", "=m.example",
		"docker.io=https://m.example", "docker.io=user@m.example", "docker.io=m.example:0",
		"docker.io=m.example:99999", "docker.io=../m", "docker.io=m..example",
		"docker.io=.", "docker.io=m.example/../x", "docker.io=m.example//x",
		"docker.io=m.example/x?y", "docker.io=m.example/x y", "docker.io/library=m.example",
		"docker.io=M.example", "a=b=c"};
	struct mirror m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (mirror_parse(bad[i], &m, &e) == 0)
			fail_msg("took %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_mirrors),
		cmocka_unit_test(refuses_mirrors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
