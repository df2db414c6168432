/* SPDX-License-Identifier: MIT */
/*
 * The digest grammar, and sha256 against FIPS 180-4's examples.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imaged/digest.h"
#include "imaged/sha256.h"

#define EMPTY	  "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC	  "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void accepts_the_one_spelling(void **state)
{
	char copy[DIGEST_TEXT_MAX];

	(void)state;
	assert_true(digest_valid(EMPTY));
	assert_int_equal(strlen(EMPTY), DIGEST_TEXT_LEN);
	assert_true(digest_copy(copy, ABC));
	assert_string_equal(copy, ABC);
	assert_string_equal(digest_hex(ABC), ABC + 7);
}

static void refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256",
		"sha256:",
		EMPTY "0",
		" " EMPTY,
		EMPTY " ",
		EMPTY "\n",
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
		"sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
		"SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:../../../../../../../../../../../../../../../../../../../etc/passwd",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	};
	char copy[DIGEST_TEXT_MAX] = "old";

	(void)state;
	assert_false(digest_valid(NULL));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(digest_valid(bad[i]));
		assert_false(digest_copy(copy, bad[i]));
		assert_string_equal(copy, "");
	}
}

static void sums_known_messages(void **state)
{
	char got[DIGEST_TEXT_MAX];

	(void)state;
	assert_int_equal(sha256_of("", 0, got), 0);
	assert_string_equal(got, EMPTY);
	assert_int_equal(sha256_of("abc", 3, got), 0);
	assert_string_equal(got, ABC);
}

static void sums_in_pieces(void **state)
{
	static char a[1000];
	struct sha256 *s = sha256_new();
	char got[DIGEST_TEXT_MAX];

	(void)state;
	assert_non_null(s);
	memset(a, 'a', sizeof(a));
	for (int i = 0; i < 1000; i++) {
		sha256_add(s, a, (size_t)i);
		sha256_add(s, a, sizeof(a) - (size_t)i);
	}
	sha256_finish(s, got);
	assert_string_equal(got, MILLION_A);
	sha256_free(s);
	sha256_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_one_spelling),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(sums_known_messages),
		cmocka_unit_test(sums_in_pieces),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
