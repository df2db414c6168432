/* SPDX-License-Identifier: MIT */
/*
 * Origins: what a URL's host is, where plain http may be spoken, and where a server may send us.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imaged/origin.h"

static struct origin of(const char *url)
{
	struct origin o;
	struct err e = {0};

	if (origin_of_url(url, &o, &e) < 0)
		fail_msg("refused %s: %s", url, e.text);
	return o;
}

static void reads_urls(void **state)
{
	static const struct {
		const char *url, *text;
	} rows[] = {
		{"https://h.io/x?y", "https://h.io:443"},
		{"HTTP://H.IO:080/", "http://h.io:80"},
		{"http://[::1]:5000/v2/", "http://[::1]:5000"},
		{"https://127.1/x", "https://127.0.0.1:443"},
		{"https://0x7f000001/x", "https://127.0.0.1:443"},
		{"https://h.io:5000/a@b:c", "https://h.io:5000"},
	};
	char text[ORIGIN_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct origin o = of(rows[i].url);

		assert_string_equal(origin_text(&o, text), rows[i].text);
	}
}

static void refuses_urls(void **state)
{
	static const char *const bad[] = {"", "x", "/v2/", "//h/x", "file:///etc/passwd",
		"ftp://h/x", "gopher://h/", "http://", "http://user@h/", "http://user:pw@h/",
		"http://:pw@h/", "http://h:0/", "http://h:65536/", "http://h:x/", "http://h\n/",
		"javascript:alert(1)", "unix:///run/x"};
	struct origin o;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = (struct err){0};
		if (origin_of_url(bad[i], &o, &e) == 0)
			fail_msg("accepted %s", bad[i]);
		assert_true(e.text[0]);
	}
}

static void knows_docker_hub(void **state)
{
	char text[ORIGIN_TEXT_MAX];
	struct origin o;

	(void)state;
	assert_int_equal(origin_of_domain("docker.io", true, &o, NULL), 0);
	assert_string_equal(origin_text(&o, text), "https://registry-1.docker.io:443");
	assert_int_equal(origin_of_domain("localhost", false, &o, NULL), 0);
	assert_string_equal(origin_text(&o, text), "http://localhost:80");
}

static void is_plain_on_loopback_alone(void **state)
{
	static const char *const loopback[] = {"http://127.0.0.1/", "http://127.255.0.9:5000/",
		"http://[::1]/", "http://localhost:5000/", "http://LOCALHOST/", "http://127.1/"};
	static const char *const others[] = {"http://10.0.0.1/", "http://127.0.0.1.evil.io/",
		"http://localhost.evil.io/", "http://128.0.0.1/", "http://[::2]/",
		"http://[::ffff:10.0.0.1]/", "http://h.io/", "http://127.evil.io/"};
	static const char *const listed[] = {"h.io", "10.0.0.1:5000", NULL};
	struct origin o;

	(void)state;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
		o = of(loopback[i]);
		assert_true(origin_may_be_plain(&o, NULL));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		o = of(others[i]);
		assert_false(origin_may_be_plain(&o, NULL));
	}
	o = of("http://h.io:8080/");
	assert_true(origin_may_be_plain(&o, listed));
	o = of("http://10.0.0.1:5000/");
	assert_true(origin_may_be_plain(&o, listed));
	o = of("http://10.0.0.1:5001/");
	assert_false(origin_may_be_plain(&o, listed));
}

static int step(const char *from, const char *to)
{
	struct origin a = of(from), b = of(to);

	return origin_check_step(&a, &b, NULL, NULL);
}

static void never_steps_down(void **state)
{
	struct origin a = of("https://h/a"), b = of("https://h:443/b"), c = of("https://h:444/"),
		      d = of("http://h:443/");

	(void)state;
	assert_int_equal(step("https://h/", "https://cdn/"), 0);
	assert_int_equal(step("http://127.0.0.1:5000/", "http://127.0.0.2:80/"), 0);
	assert_int_equal(step("http://127.0.0.1:5000/", "https://cdn/"), 0);
	assert_int_equal(step("https://h/", "http://h/"), -EPERM);
	assert_int_equal(step("https://127.0.0.1/", "http://127.0.0.1/"), -EPERM);
	assert_int_equal(step("http://127.0.0.1:5000/", "http://h/"), -EPERM);
	assert_true(origin_equal(&a, &b));
	assert_false(origin_equal(&a, &c));
	assert_false(origin_equal(&b, &d));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_urls),
		cmocka_unit_test(refuses_urls),
		cmocka_unit_test(knows_docker_hub),
		cmocka_unit_test(is_plain_on_loopback_alone),
		cmocka_unit_test(never_steps_down),
	};

	return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
