/* SPDX-License-Identifier: MIT */
/*
 * Detach keys in what is typed, the caller's registry passwords, and progress lines.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/ctl/auth.h"
#include "supervisor/ctl/progress.h"
#include "supervisor/ctl/tty.h"

/* Types the text byte by byte and all at once: both must come out the same. */
static void types(const char *keys, const char *in, const char *want, bool want_detached)
{
	for (size_t step = 1; step <= strlen(in); step += strlen(in) > 1 ? strlen(in) - 1 : 1) {
		struct detach d = {0};
		bool detached = false;
		uint8_t out[256];
		size_t n = 0;

		assert_int_equal(parse_detach_keys(keys, &d.keys, NULL), 0);
		for (size_t i = 0; i < strlen(in) && !detached; i += step)
			n += detach_filter(&d, (const uint8_t *)in + i, MIN(step, strlen(in) - i),
				out + n, &detached);
		assert_int_equal(n, strlen(want));
		assert_memory_equal(out, want, n);
		assert_int_equal(detached, want_detached);
	}
}

static void test_detach(void **state)
{
	(void)state;
	types("",
		"ab\x10\x11"
		"cd",
		"ab", true);
	types("",
		"a\x10"
		"b",
		"a\x10"
		"b",
		false);
	types("", "a\x10\x10\x11", "a\x10", true);
	types("", "a\x10", "a", false);
	types("a,a,b", "aaab", "a", true);
	types("a,b,a,c", "abababac", "abab", true);
	types("x", "abc", "abc", false);
}

static void test_registry_names(void **state)
{
	static const char *const rows[][2] = {{"busybox", "docker.io"}, {"me/x", "docker.io"},
		{"localhost/x", "localhost"}, {"127.0.0.1:5000/x", "127.0.0.1:5000"},
		{"quay.io/a/b:c", "quay.io"}, {"index.docker.io/a/b", "docker.io"},
		{"x.y", "docker.io"}};
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auth_registry(rows[i][0], name, sizeof(name));
		assert_string_equal(name, rows[i][1]);
	}
}

static void test_passwords(void **state)
{
	const char *text =
		"{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"bWU6cGE6c3M=\"},"
		"\"127.0.0.1:5000\": {\"username\": \"u\", \"password\": \"p\"}, \"quay.io\": {},"
		"\"bad\": {\"auth\": \"!!!\"}}}";
	struct credentials c = {0};
	struct err e;

	(void)state;
	assert_int_equal(auth_from_json(text, "docker.io", &c, &e), 0);
	assert_string_equal(c.username, "me");
	assert_string_equal(c.password, "pa:ss");
	auth_free(&c);
	assert_int_equal(auth_from_json(text, "127.0.0.1:5000", &c, &e), 0);
	assert_string_equal(c.username, "u");
	auth_free(&c);
	assert_int_equal(auth_from_json(text, "quay.io", &c, &e), 0);
	assert_null(c.username);
	assert_int_equal(auth_from_json(text, "127.0.0.1", &c, &e), 0);
	assert_null(c.username);
	assert_int_equal(auth_from_json(text, "bad", &c, &e), -EINVAL);
	assert_int_equal(auth_from_json("{", "bad", &c, &e), -EINVAL);
	assert_int_equal(auth_from_json("[]", "bad", &c, &e), 0);
	assert_null(c.username);
}

static void test_password_files(void **state)
{
	char dir[] = "/tmp/test_ctl_auth.XXXXXX", path[64];
	struct credentials c;
	struct err e;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/config.json", dir);
	setenv("DOCKER_CONFIG", dir, 1);
	unsetenv("REGISTRY_AUTH_FILE");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(auth_find("r.io/x", &c, &e), 0);
	assert_null(c.username);
	f = fopen(path, "we");
	fputs("{\"auths\":{\"r.io\":{\"auth\":\"YTpi\"}}}", f);
	fclose(f);
	assert_int_equal(auth_find("r.io/x", &c, &e), 0);
	assert_string_equal(c.username, "a");
	auth_free(&c);
	assert_int_equal(auth_find("other.io/x", &c, &e), 0);
	assert_null(c.username);
	f = fopen(path, "we");
	fputs("nonsense", f);
	fclose(f);
	assert_int_equal(auth_find("r.io/x", &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, path));
	unlink(path);
	rmdir(dir);
}

static void test_progress(void **state)
{
	struct progress_layer l = {
		.name = "0123456789ab", .state = "pulling", .bytes = 50, .total = 100};
	char out[160];

	(void)state;
	progress_line(&l, 60, out, sizeof(out));
	assert_string_equal(out, "0123456789ab: Downloading 50B/100B");
	progress_line(&l, 70, out, sizeof(out));
	assert_string_equal(out, "0123456789ab: Downloading [==========>         ] 50B/100B");
	assert_true(strlen(out) < 70);
	l.bytes = 1000; /* more than was announced */
	progress_line(&l, 70, out, sizeof(out));
	assert_non_null(strstr(out, "[====================]"));
	strcpy(l.state, "exists");
	progress_line(&l, 70, out, sizeof(out));
	assert_string_equal(out, "0123456789ab: Already exists");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_registry_names),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_password_files),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests_name("ctl_tty", tests, NULL, NULL);
}
