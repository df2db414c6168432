/* SPDX-License-Identifier: MIT */
/*
 * The options of --tmpfs: shim/tmpfs.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "shim/tmpfs.h"

#define INERT (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const char *value(const struct tmpfs_options *o, const char *key)
{
	for (unsigned int i = 0; i < o->n; i++)
		if (strcmp(o->fs[i].key, key) == 0)
			return o->fs[i].value;
	return NULL;
}

static void test_defaults(void **state)
{
	struct tmpfs_options o;

	(void)state;
	assert_int_equal(tmpfs_parse(NULL, &o, NULL), 0);
	assert_int_equal(o.attrs, INERT);
	assert_string_equal(value(&o, "mode"), "1777");
	assert_null(o.fs[o.n].key);
}

static void test_values(void **state)
{
	struct tmpfs_options o;

	(void)state;
	assert_int_equal(tmpfs_parse("size=64m,mode=0700,uid=5,gid=6,nr_inodes=10k", &o, NULL), 0);
	assert_string_equal(value(&o, "size"), "64m");
	assert_string_equal(value(&o, "mode"), "0700");
	assert_string_equal(value(&o, "uid"), "5");
	assert_string_equal(value(&o, "gid"), "6");
	assert_string_equal(value(&o, "nr_inodes"), "10k");
	assert_int_equal(o.n, 5);
	assert_null(o.fs[o.n].key);
	assert_int_equal(tmpfs_parse("size=1,size=50%", &o, NULL), 0);
	assert_string_equal(value(&o, "size"), "50%");
	assert_int_equal(o.n, 2);
}

static void test_flags(void **state)
{
	struct tmpfs_options o;

	(void)state;
	assert_int_equal(tmpfs_parse("exec,suid,dev", &o, NULL), 0);
	assert_int_equal(o.attrs, 0);
	assert_int_equal(tmpfs_parse("ro,exec,noexec", &o, NULL), 0);
	assert_int_equal(o.attrs, INERT | MOUNT_ATTR_RDONLY);
	assert_int_equal(tmpfs_parse("ro,rw,,", &o, NULL), 0);
	assert_int_equal(o.attrs, INERT);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"foo", "size", "size=", "size=-1", "size=x", "size=%",
		"mode=999", "mode=rwx", "uid=65536", "uid=-1", "uid=root", "foo=1", "exec=1",
		"mode=123456", "huge=always", "source=/etc", "size=1,bar"};
	struct tmpfs_options o;
	char text[TMPFS_TEXT_MAX + 1];
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = '\0';
		assert_int_equal(tmpfs_parse(bad[i], &o, &e), -EINVAL);
		assert_non_null(strstr(e.text, "tmpfs option"));
	}
	memset(text, ',', TMPFS_TEXT_MAX);
	text[TMPFS_TEXT_MAX] = '\0';
	assert_int_equal(tmpfs_parse(text, &o, NULL), -EINVAL);
	text[TMPFS_TEXT_MAX - 1] = '\0';
	assert_int_equal(tmpfs_parse(text, &o, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
