/* SPDX-License-Identifier: MIT */
/*
 * Challenges, Basic and tokens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "imaged/auth.h"

static struct challenge reading(const char *first, const char *second)
{
	struct challenge c = {0};

	challenge_read(first, &c);
	if (second)
		challenge_read(second, &c);
	return c;
}

static void reads_challenges(void **state)
{
	static const char hub[] =
		"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:x:pull\"";
	struct challenge c = reading(hub, NULL);

	(void)state;
	assert_int_equal(c.scheme, AUTH_BEARER);
	assert_string_equal(c.realm, "https://auth.docker.io/token");
	assert_string_equal(c.service, "registry.docker.io");
	assert_int_equal(reading("Basic realm=\"x\"", NULL).scheme, AUTH_BASIC);
	assert_int_equal(reading("basic", NULL).scheme, AUTH_BASIC);
	assert_int_equal(reading("BEARER Realm = \"http://h/t\"", NULL).scheme, AUTH_BEARER);
	c = reading("Basic realm=\"a, b=c \\\" d\", Bearer service=s, realm=\"http://h/t\"", NULL);
	assert_int_equal(c.scheme, AUTH_BEARER);
	assert_string_equal(c.realm, "http://h/t");
	assert_string_equal(c.service, "s");
	assert_int_equal(reading(hub, "Basic realm=x").scheme, AUTH_BEARER);
	assert_int_equal(reading("Basic realm=x", hub).scheme, AUTH_BEARER);
}

static void passes_over_what_is_malformed(void **state)
{
	char longer[4096] = "Bearer realm=\"";

	(void)state;
	memset(longer + strlen(longer), 'x', 3000);
	strcat(longer, "\"");
	assert_int_equal(reading(longer, NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Bearer", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Bearer realm=\"open", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Bearer realm=", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Bearer realm=\"\\", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Negotiate abc==", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Digest realm=\"x\", nonce=\"y\"", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("BearerX realm=\"http://h/t\"", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading(",,, =", NULL).scheme, AUTH_NONE);
	assert_int_equal(reading("Digest realm=x", "Basic realm=y").scheme, AUTH_BASIC);
}

static void makes_basic(void **state)
{
	char *value = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(auth_basic("Aladdin", "open sesame", &value, &e), 0); /* RFC 7617, 2 */
	assert_string_equal(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	auth_free(&value);
	assert_null(value);
	assert_int_equal(auth_basic("a", "", &value, &e), 0);
	assert_string_equal(value, "Basic YTo=");
	auth_free(&value);
	assert_true(auth_basic("a:b", "c", &value, &e) < 0);
	auth_free(&value);
}

static void makes_token_urls(void **state)
{
	struct challenge c = {
		.scheme = AUTH_BEARER, .realm = "https://h/token?account=me", .service = "s & t"};
	char *url = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(auth_token_url(&c, "repository:a/b:pull", &url, &e), 0);
	assert_string_equal(
		url, "https://h/token?account=me&service=s+%26+t&scope=repository%3aa%2fb%3apull");
	free(url);
	url = NULL;
	strcpy(c.realm, "not a url");
	assert_true(auth_token_url(&c, "x", &url, &e) < 0);
	assert_null(url);
}

static int token(const char *json, char **ret)
{
	struct err e = {0};
	int r = auth_token_read(json, strlen(json), ret, &e);

	assert_true(r == 0 || e.text[0]);
	return r;
}

static void reads_tokens(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"token\":\"\"}",
		"{\"token\":5}",
		"{\"token\":\"a b\"}",
		"{\"token\":\"a\\r\\nX-Evil: 1\"}",
		"{\"token\":\"a\\u0000b\"}",
		"{\"token\":\"\\u00e9\"}",
		"{\"token\":\"a\",\"token\":\"b\"}",
		"{\"token\":null,\"access_token\":[]}",
	};
	char *value = NULL;

	(void)state;
	assert_int_equal(token("{\"token\":\"a.b-c_d~e+f/g==\",\"expires_in\":60}", &value), 0);
	assert_string_equal(value, "Bearer a.b-c_d~e+f/g==");
	auth_free(&value);
	assert_int_equal(token("{\"access_token\":\"x\"}", &value), 0);
	assert_string_equal(value, "Bearer x");
	auth_free(&value);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (token(bad[i], &value) == 0)
			fail_msg("accepted %s", bad[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_challenges),
		cmocka_unit_test(passes_over_what_is_malformed),
		cmocka_unit_test(makes_basic),
		cmocka_unit_test(makes_token_urls),
		cmocka_unit_test(reads_tokens),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
