/* SPDX-License-Identifier: MIT */
/*
 * What stats makes of two readings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "supervisor/ctl/render_stats.h"

#define SECOND 1000000000ULL

static void cpu(void **state)
{
	struct stats_row a = {.usage = {.taken_at = SECOND, .cpu_ns = 5 * SECOND}};
	struct stats_row b = {.usage = {.taken_at = 3 * SECOND, .cpu_ns = 8 * SECOND}};

	(void)state;
	assert_int_equal(stats_cpu(&b, &a), 15000); /* a processor and a half */
	assert_int_equal(stats_cpu(&b, NULL), 0);
	assert_int_equal(stats_cpu(&b, &b), 0);
	b.usage.cpu_ns = SECOND; /* it has been started anew: its counter, too */
	assert_int_equal(stats_cpu(&b, &a), 0);
}

static void sizes(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(num_format_binary_size(0, buf), "0B");
	assert_string_equal(num_format_binary_size(64 << 20, buf), "64MiB");
	assert_string_equal(num_format_binary_size(3ULL << 29, buf), "1.5GiB");
}

static const char *text(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static json_int_t number(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(j, "Usage"), key));
}

static void row(void **state)
{
	struct stats_row r = {.id = "0123456789abcdef",
		.name = "web",
		.running = true,
		.memory_limit = 64 << 20,
		.has_network = true,
		.received = 1500,
		.sent = 2,
		.usage = {.memory = 20 << 20,
			.memory_cache = 4 << 20,
			.pids = 3,
			.pids_hits = 9,
			.read_bytes = 1000000}};
	json_t *j = stats_json(&r, NULL, false);

	(void)state;
	assert_string_equal(text(j, "ID"), "0123456789ab");
	assert_string_equal(text(j, "MemUsage"), "16MiB / 64MiB");
	assert_string_equal(text(j, "MemPerc"), "25.00%");
	assert_string_equal(text(j, "NetIO"), "1.5kB / 2B");
	assert_string_equal(text(j, "BlockIO"), "1MB / 0B");
	assert_string_equal(text(j, "PIDs"), "3");
	assert_int_equal(number(j, "memory"), 20 << 20);
	assert_int_equal(number(j, "memory_cache"), 4 << 20);
	assert_int_equal(number(j, "pids_hits"), 9);
	assert_true(json_is_null(json_object_get(json_object_get(j, "Usage"), "pressure")));
	json_decref(j);
	r.usage.has_pressure = true;
	r.usage.io_pressure = 150;
	r.usage.memory_cache = 21 << 20; /* read a moment later */
	j = stats_json(&r, NULL, true);
	assert_string_equal(text(j, "ID"), "0123456789abcdef");
	assert_string_equal(text(j, "MemUsage"), "0B / 64MiB");
	assert_true(
		json_real_value(json_object_get(
			json_object_get(json_object_get(j, "Usage"), "pressure"), "io")) == 1.5);
	json_decref(j);
	r.running = false;
	j = stats_json(&r, NULL, true);
	assert_string_equal(text(j, "CPUPerc"), "--");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu), cmocka_unit_test(sizes), cmocka_unit_test(row)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
