/* SPDX-License-Identifier: MIT */
/*
 * Numbers out of the texts of control files, as kernels write them, and out of others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cgroupd/usage.h"

static const char io_stat[] = "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"
			      "8:16 \n"
			      "8:0 rbytes=1 wbytes=2 rios=0 wios=0 dbytes=16 dios=1 cost.usage=7";
static const char service[] = "254:0 Read 100\n254:0 Write 50\n254:0 Sync 150\n254:0 Total 150\n"
			      "8:0 Read 11\n8:0 Write 3\nTotal 164";

static void found(void **state)
{
	static const struct {
		enum usage_form form;
		const char *key, *text;
		uint64_t want;
	} rows[] = {
		{USAGE_NUMBER, NULL, "0", 0},
		{USAGE_NUMBER, NULL, "18446744073709551615", UINT64_MAX},
		{USAGE_KEY, "oom_kill", "oom_kill_disable 0\nunder_oom 0\noom_kill 3", 3},
		{USAGE_KEY, "max", "max 12", 12},
		{USAGE_KEY, "max", "low 0\nhigh 1\nmax 2\noom 3", 2},
		{USAGE_KEY, "inactive_file", "total_inactive_file 5\ninactive_file 7\n", 7},
		{USAGE_SUM, "Read", service, 111},
		{USAGE_SUM, "Write", service, 53},
		{USAGE_SUM, "Read", "Total 0", 0},
		{USAGE_SUM, "Read", "", 0},
		{USAGE_SUM_EQ, "rbytes", io_stat, 4097},
		{USAGE_SUM_EQ, "wbytes", io_stat, 8194},
		{USAGE_SUM_EQ, "bytes", io_stat, 0},
		{USAGE_SUM_EQ, "rbytes", "", 0},
		{USAGE_PRESSURE, NULL, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", 0},
		{USAGE_PRESSURE, NULL, "some avg10=0.07 avg60=1.00", 7},
		{USAGE_PRESSURE, NULL, "some avg10=12.30 avg60=1.00\nfull avg10=99.99", 1230},
		{USAGE_PRESSURE, NULL, "some avg10=100.00 avg60=1.00", 10000},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 99;

		if (usage_find(rows[i].form, rows[i].key, rows[i].text, &v) != 0 ||
			v != rows[i].want)
			fail_msg("row %u is %lu", i, v);
	}
}

static void not_found(void **state)
{
	static const struct {
		enum usage_form form;
		const char *key, *text;
	} rows[] = {
		{USAGE_NUMBER, NULL, ""},
		{USAGE_NUMBER, NULL, "max"},
		{USAGE_NUMBER, NULL, "12x"},
		{USAGE_NUMBER, NULL, "18446744073709551616"},
		{USAGE_KEY, "max", ""},
		{USAGE_KEY, "max", "maximum 5"},
		{USAGE_KEY, "max", "max"},
		{USAGE_KEY, "max", "max -1"},
		{USAGE_SUM, "Read", "254:0 Read many"},
		{USAGE_SUM_EQ, "rbytes", "254:0 rbytes=x"},
		{USAGE_PRESSURE, NULL, "full avg10=1.00"},
		{USAGE_PRESSURE, NULL, "some avg10=x avg60=0.00"},
		{USAGE_PRESSURE, NULL, "some avg10=101.00"},
		{USAGE_PRESSURE, NULL, "some avg10="},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v;

		if (usage_find(rows[i].form, rows[i].key, rows[i].text, &v) != -EBADMSG)
			fail_msg("row %u is taken", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(found), cmocka_unit_test(not_found)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
