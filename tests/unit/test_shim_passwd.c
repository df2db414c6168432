/* SPDX-License-Identifier: MIT */
/*
 * --user and the files that it refers to: shim/passwd.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shim/passwd.h"

static const char users[] = "root:x:0:0:root:/root:/bin/sh\n"
			    "\n"
			    "short:x:5\n"
			    ":x:7:7::/nobody:/x\n"
			    "hex:x:0x10:1::/:/bin/sh\n"
			    "plus:x:+5:1::/:/bin/sh\n"
			    "big:x:4294967295:1::/:/bin/sh\n"
			    "web:x:1000:1001:Web,,,:/home/web:/bin/sh\n"
			    "web:x:2000:2000::/second:/bin/sh\n"
			    "123:x:77:78::/digits:/bin/sh\n"
			    "colons:x:5:6:a:/h:/bin/sh:more:fields\n"
			    "last:x:9:9::/last:/bin/sh";
static const char groups[] = "root:x:0:\nweb:x:1001:\naudio:x:29:root,web\nvideo:x:44:webs,xweb\n"
			     "games:x:60:a,web,b\nbad:x:99999999999:web\nnomembers:x:61\n"
			     "end:x:62:b,web";

static int parse(const char *text, struct passwd_key *u, struct passwd_key *g)
{
	return passwd_parse_user(text, u, g, NULL);
}

static void test_parse_numbers(void **state)
{
	struct passwd_key u, g;

	(void)state;
	assert_int_equal(parse("0", &u, &g), 0);
	assert_true(u.present && u.numeric && u.id == 0);
	assert_false(g.present);
	assert_int_equal(parse("4294967294", &u, &g), 0);
	assert_true(u.numeric && u.id == 4294967294U);
	assert_int_equal(parse("1000:29", &u, &g), 0);
	assert_true(u.id == 1000 && g.present && g.numeric && g.id == 29);
}

/* What only looks like a number is a name, and no such name will be found. */
static void test_parse_odd_numbers(void **state)
{
	static const char *const odd[] = {"4294967295", "4294967296", "0x0", "+0", "-1", "00", "01",
		" 1", "1 ", "99999999999999999999", "1e3"};
	struct passwd_row row;
	struct passwd_key u, g;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(parse(odd[i], &u, &g), 0);
		assert_true(u.present);
		assert_false(u.numeric);
		assert_false(passwd_find(users, sizeof(users) - 1, &u, &row));
	}
}

static void test_parse_refused(void **state)
{
	static const char *const bad[] = {":", "1:", ":1", "a:b:c", "1:2:3", "a\nb", "root:"};
	struct passwd_key u, g;
	char name[PASSWD_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &u, &g), -EINVAL);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(parse(name, &u, &g), -EINVAL);
	name[PASSWD_NAME_MAX] = '\0';
	assert_int_equal(parse(name, &u, &g), 0);
}

static void test_parse_absent(void **state)
{
	struct passwd_key u, g;

	(void)state;
	assert_int_equal(parse(NULL, &u, &g), 0);
	assert_false(u.present || g.present);
	assert_int_equal(parse("", &u, &g), 0);
	assert_false(u.present || g.present);
}

static bool find(const char *user, struct passwd_row *row)
{
	struct passwd_key u, g;

	assert_int_equal(parse(user, &u, &g), 0);
	return passwd_find(users, sizeof(users) - 1, &u, row);
}

static void test_find(void **state)
{
	struct passwd_row row;

	(void)state;
	assert_true(find("web", &row));
	assert_int_equal(row.uid, 1000);
	assert_int_equal(row.gid, 1001);
	assert_string_equal(row.home, "/home/web");
	assert_true(find("1000", &row));
	assert_string_equal(row.name, "web");
	assert_true(find("last", &row));
	assert_string_equal(row.home, "/last");
	assert_true(find("colons", &row));
	assert_string_equal(row.home, "/h");
	/* A number is never looked up as a name. */
	assert_false(find("123", &row));
	assert_true(find("77", &row));
	assert_string_equal(row.home, "/digits");
}

static void test_find_nothing(void **state)
{
	struct passwd_key key = {.present = true, .numeric = true, .id = 0};
	struct passwd_row row;
	uint32_t gid;

	(void)state;
	assert_false(find("short", &row));
	assert_false(find("hex", &row));
	assert_false(find("plus", &row));
	assert_false(find("big", &row));
	assert_false(find("7", &row));
	assert_false(find("we", &row));
	assert_false(passwd_find(NULL, 0, &key, &row));
	assert_false(passwd_find_group(NULL, 0, &key, &gid));
	assert_int_equal(passwd_groups_of(NULL, 0, "web", &gid, 1), 0);
}

static void test_long_home_is_passed_over(void **state)
{
	char text[PASSWD_HOME_MAX + 128];
	struct passwd_key key = {.present = true, .name = "x"};
	struct passwd_row row;
	size_t n = (size_t)sprintf(text, "x:x:1:1::/");

	(void)state;
	memset(text + n, 'h', PASSWD_HOME_MAX - 1);
	strcpy(text + n + PASSWD_HOME_MAX - 1, ":/bin/sh\n");
	assert_true(passwd_find(text, strlen(text), &key, &row));
	assert_int_equal(strlen(row.home), PASSWD_HOME_MAX);
	memset(text + n, 'h', PASSWD_HOME_MAX);
	strcpy(text + n + PASSWD_HOME_MAX, ":/bin/sh\n");
	assert_false(passwd_find(text, strlen(text), &key, &row));
}

static void test_groups(void **state)
{
	struct passwd_key key = {.present = true, .name = "audio"};
	uint32_t v[8], gid;

	(void)state;
	assert_true(passwd_find_group(groups, sizeof(groups) - 1, &key, &gid));
	assert_int_equal(gid, 29);
	assert_int_equal(passwd_groups_of(groups, sizeof(groups) - 1, "web", v, 8), 3);
	assert_int_equal(v[0], 29);
	assert_int_equal(v[1], 60);
	assert_int_equal(v[2], 62);
	assert_int_equal(passwd_groups_of(groups, sizeof(groups) - 1, "web", v, 2), 2);
	assert_int_equal(passwd_groups_of(groups, sizeof(groups) - 1, "", v, 8), 0);
	assert_int_equal(passwd_groups_of(groups, sizeof(groups) - 1, "b", v, 8), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_numbers),
		cmocka_unit_test(test_parse_odd_numbers),
		cmocka_unit_test(test_parse_refused),
		cmocka_unit_test(test_parse_absent),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_nothing),
		cmocka_unit_test(test_long_home_is_passed_over),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
