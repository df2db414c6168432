/* SPDX-License-Identifier: MIT */
/*
 * Flags by table, in all the spellings that docker takes, and the nearest word.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/ctl/flags.h"
#include "supervisor/ctl/suggest.h"

struct options {
	bool tty, interactive, quiet, no_proxy;
	const char *name;
	struct strv publish;
};

static int check_name(const char *s, struct err *e)
{
	return *s == '!' ? err_set(e, EINVAL, "\"%s\" is bad", s) : 0;
}

static const struct flag table[] = {
	{"tty", 't', FLAG_BOOL, offsetof(struct options, tty), NULL, NULL, "t"},
	{"interactive", 'i', FLAG_BOOL, offsetof(struct options, interactive), NULL, NULL, "i"},
	{"quiet", 'q', FLAG_BOOL, offsetof(struct options, quiet), NULL, NULL, "q"},
	{"sig-proxy", 0, FLAG_NOT, offsetof(struct options, no_proxy), NULL, NULL, "p"},
	{"name", 'n', FLAG_STRING, offsetof(struct options, name), check_name, "N", "n"},
	{"publish", 'p', FLAG_LIST, offsetof(struct options, publish), NULL, "P", "p"},
	{"userns", 0, FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};

struct result {
	struct options o;
	struct strv rest;
	struct arena arena;
	struct err e;
	int r;
};

static void parse(struct result *x, bool stop, const char *const *argv)
{
	struct flags_input in = {table, 0, (char **)(uintptr_t)argv, stop};

	while (argv[in.argc])
		in.argc++;
	arena_free(&x->arena);
	memset(x, 0, sizeof(*x));
	x->r = flags_parse(&in, &x->arena, &x->o, &x->rest, &x->e);
}
#define PARSE(x, stop, ...) parse(x, stop, (const char *const[]){__VA_ARGS__, NULL})

static void test_spellings(void **state)
{
	struct result x = {0};

	(void)state;
	PARSE(&x, true, "-it", "--name=web", "-p8080:80", "-p", "1", "--publish", "2", "image",
		"-q", "--");
	assert_int_equal(x.r, 0);
	assert_true(x.o.tty && x.o.interactive && !x.o.quiet);
	assert_string_equal(x.o.name, "web");
	assert_int_equal(x.o.publish.n, 3);
	assert_string_equal(x.o.publish.v[0], "8080:80");
	assert_string_equal(x.o.publish.v[2], "2");
	assert_int_equal(x.rest.n, 3);
	assert_string_equal(x.rest.v[1], "-q");

	PARSE(&x, false, "-qn=web", "a", "-t", "--", "-i");
	assert_int_equal(x.r, 0);
	assert_true(x.o.quiet && x.o.tty && !x.o.interactive);
	assert_string_equal(x.o.name, "web");
	assert_int_equal(x.rest.n, 2);
	assert_string_equal(x.rest.v[1], "-i");

	PARSE(&x, true, "--name", "", "-");
	assert_int_equal(x.r, 0);
	assert_string_equal(x.o.name, "");
	assert_string_equal(x.rest.v[0], "-");
	arena_free(&x.arena);
}

static void test_booleans(void **state)
{
	struct result x = {0};

	(void)state;
	PARSE(&x, true, "--tty", "--tty=false", "-i=1", "--sig-proxy=false");
	assert_int_equal(x.r, 0);
	assert_false(x.o.tty);
	assert_true(x.o.interactive);
	assert_true(x.o.no_proxy);
	PARSE(&x, true, "--sig-proxy");
	assert_false(x.o.no_proxy);
	PARSE(&x, true, "--tty=yes");
	assert_int_equal(x.r, -EINVAL);
	assert_non_null(strstr(x.e.text, "\"yes\""));
	arena_free(&x.arena);
}

static void test_refused(void **state)
{
	struct result x = {0};

	(void)state;
	PARSE(&x, true, "--nmae", "x");
	assert_int_equal(x.r, -EINVAL);
	assert_string_equal(x.e.text, "unknown flag --nmae, did you mean --name?");
	PARSE(&x, true, "--zebra=1");
	assert_string_equal(x.e.text, "unknown flag --zebra");
	PARSE(&x, true, "-tz");
	assert_string_equal(x.e.text, "unknown flag -z");
	PARSE(&x, true, "--name");
	assert_string_equal(x.e.text, "--name needs a value");
	PARSE(&x, true, "-tn");
	assert_string_equal(x.e.text, "--name needs a value");
	PARSE(&x, true, "--name=!");
	assert_string_equal(x.e.text, "--name: \"!\" is bad");
	PARSE(&x, true, "--userns", "host");
	assert_string_equal(x.e.text, "--userns is not supported yet");
	PARSE(&x, true, "-t", "--help");
	assert_int_equal(x.r, 1);
	PARSE(&x, true, "-h");
	assert_int_equal(x.r, 1);
	PARSE(&x, true, "image", "-h");
	assert_int_equal(x.r, 0);
	arena_free(&x.arena);
}

static void test_long_lists(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv list = {0};

	(void)state;
	for (uintptr_t i = 0; i < 1000; i++)
		assert_int_equal(strv_append(&a, &list, (const char *)i), 0);
	assert_int_equal(list.n, 1000);
	for (uintptr_t i = 0; i < 1000; i++)
		assert_ptr_equal(list.v[i], (const char *)i);
}

static const char *nearest(const char *typed)
{
	static const char *const words[] = {
		"run", "rm", "rmi", "ps", "images", "inspect", "stop", "start"};
	struct suggest s;

	suggest_start(&s, typed);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		suggest_offer(&s, words[i]);
	return s.best ? s.best : "";
}

static void test_suggest(void **state)
{
	(void)state;
	assert_string_equal(nearest("rnu"), "run");
	assert_string_equal(nearest("image"), "images");
	assert_string_equal(nearest("inspcet"), "inspect");
	assert_string_equal(nearest("stpo"), "stop");
	assert_string_equal(nearest("psx"), "ps");
	assert_string_equal(nearest("q"), "");
	assert_string_equal(nearest("completely-different"), "");
	assert_string_equal(nearest(""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_booleans),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests_name("ctl_flags", tests, NULL, NULL);
}
