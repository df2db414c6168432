/* SPDX-License-Identifier: MIT */
/*
 * Headers of answers: when to come back, and which part of a blob is coming.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "imaged/headers.h"

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 */

static void reads_when_to_come_back(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} rows[] = {
		{"0", 0},
		{"120", 120},
		{"18446744073709551615", UINT64_MAX},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
		{"Sun, 06 Nov 1994 08:50:37 GMT", 60},
		{"Sun, 06 Nov 1994 07:00:00 GMT", 0},
		{"Sunday, 06-Nov-94 08:49:47 GMT", 10},
		{"Sun Nov  6 08:49:40 1994", 3},
		{"Mon, 06 Nov 1995 08:49:37 GMT", 365 * 24 * 3600},
	};
	uint64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		got = 99;
		if (!headers_retry_after(rows[i].text, NOW, &got) || got != rows[i].seconds)
			fail_msg("\"%s\" is %lu", rows[i].text, got);
	}
}

static void knows_no_other_time(void **state)
{
	static const char *const bad[] = {"", " ", "-1", "1.5", "1e3", "+1", "0x10", "soon", "1 s",
		"1,2", "18446744073709551616", "Sun, 06 Nov 1994", "12345678901234567890123",
		"tomorrow 25:99:99", ":", "Xun, 99 Nov 1994 08:49:37 GMT"};
	uint64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (headers_retry_after(bad[i], NOW, &got))
			fail_msg("\"%s\" is read as %lu", bad[i], got);
}

static void knows_the_rest_of_a_blob(void **state)
{
	(void)state;
	assert_true(headers_range_holds("bytes 1000-1999/2000", 1000, 2000));
	assert_true(headers_range_holds("bytes 1000-1999/*", 1000, 2000));
	assert_true(headers_range_holds("bytes 0-1999/2000", 0, 2000));
	assert_true(headers_range_holds("bytes 1000-1500/2000", 1000, 2000));
	assert_true(headers_range_holds("bytes 1999-1999/2000", 1999, 2000));
}

static void knows_another_part(void **state)
{
	static const char *const bad[] = {NULL, "", "bytes", "bytes ", "bytes */2000",
		"bytes 999-1999/2000", "bytes 1001-1999/2000", "bytes 1000-1999/2001",
		"bytes 1000-2000/2000", "bytes 1000-999/2000", "bytes 1000-1999",
		"bytes 1000-1999/", "bytes 1000-1999/2000 ", "bytes 1000-1999/2000/1",
		"bytes 1000-/2000", "bytes -1999/2000", "bytes 1000/2000", "items 1000-1999/2000",
		"BYTES 1000-1999/2000", "bytes=1000-1999/2000", "bytes +1000-1999/2000",
		"bytes 0x3e8-1999/2000", "bytes 1000-18446744073709551615/2000",
		"bytes 1000-99999999999999999999/2000",
		"bytes 000000000000000000000000000001000-1999/2000",
		"bytes 1000-1999/18446744073709553616"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (headers_range_holds(bad[i], 1000, 2000))
			fail_msg("\"%s\" is taken", bad[i] ? bad[i] : "no header");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_when_to_come_back),
		cmocka_unit_test(knows_no_other_time),
		cmocka_unit_test(knows_the_rest_of_a_blob),
		cmocka_unit_test(knows_another_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
