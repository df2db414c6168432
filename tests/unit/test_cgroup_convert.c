/* SPDX-License-Identifier: MIT */
/*
 * Between the numbers of cgroup v1 and v2: every number there is on a scale, not examples alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/range.h"
#include "cgroupd/convert.h"

/* Ends map to ends, whatever lies between never falls, and what came from v1 weighs the same when
 * it has been there and back. */
static void expect_scale(const struct convert_row *row)
{
	uint64_t last = 0;

	assert_int_equal(row->to_v2(row->v1_min), row->v2_min);
	assert_int_equal(row->to_v2(row->v1_max), row->v2_max);
	assert_int_equal(row->to_v1(row->v2_min), row->v1_min);
	assert_int_equal(row->to_v1(row->v2_max), row->v1_max);
	for (uint64_t v = row->v1_min; v <= row->v1_max; v++) {
		uint64_t w = row->to_v2(v);

		if (w < last || w < row->v2_min || w > row->v2_max)
			fail_msg("%s: %lu is %lu after %lu", row->name, v, w, last);
		if (row->to_v2(row->to_v1(w)) != w)
			fail_msg("%s: %lu, as %lu, comes back as %lu", row->name, v, w,
				row->to_v1(w));
		last = w;
	}
	last = 0;
	for (uint64_t w = row->v2_min; w <= row->v2_max; w++) {
		uint64_t v = row->to_v1(w);

		if (v < last || v < row->v1_min || v > row->v1_max)
			fail_msg("%s: %lu of v2 is %lu after %lu", row->name, w, v, last);
		last = v;
	}
}

static void scales(void **state)
{
	(void)state;
	for (enum convert_scale s = 0; s < CONVERT_COUNT; s++)
		expect_scale(convert_row(s));
}

static void beyond_the_ends(void **state)
{
	static const uint64_t v[] = {0, 1, 1000000, UINT64_MAX};

	(void)state;
	for (enum convert_scale s = 0; s < CONVERT_COUNT; s++) {
		const struct convert_row *row = convert_row(s);

		for (unsigned int i = 0; i < sizeof(v) / sizeof(*v); i++) {
			assert_int_equal(row->to_v2(v[i]), v[i] < 2 ? row->v2_min : row->v2_max);
			assert_int_equal(row->to_v1(v[i]), v[i] < 2 ? row->v1_min : row->v1_max);
		}
	}
}

/* The defaults of both versions are one weight, and round shares stay as they were. */
static void shares(void **state)
{
	(void)state;
	assert_int_equal(convert_shares_to_weight(1024), 100);
	assert_int_equal(convert_shares_to_weight(512), 59);
	for (uint64_t s = 2; s <= 262144; s *= 2)
		assert_int_equal(convert_weight_to_shares(convert_shares_to_weight(s)), s);
	for (uint64_t w = 1; w <= 10000; w++)
		assert_int_equal(convert_shares_to_weight(convert_weight_to_shares(w)), w);
}

/* As runc has it: a container moved from one engine to another weighs the same. */
static void blkio(void **state)
{
	(void)state;
	assert_int_equal(convert_blkio_to_io(500), 4950);
	assert_int_equal(convert_blkio_to_io(100), 910);
	for (uint64_t w = 10; w <= 1000; w++)
		assert_int_equal(convert_io_to_blkio(convert_blkio_to_io(w)), w);
}

static void swap(void **state)
{
	static const uint64_t memory[] = {0, 4096, 1ULL << 30, INT64_MAX};
	static const int64_t alone[] = {0, 4096, 1LL << 40};

	(void)state;
	assert_int_equal(convert_total_to_swap(3 << 20, 1 << 20), 2 << 20);
	assert_int_equal(convert_total_to_swap(1 << 20, 1 << 20), 0); /* none: not "no limit" */
	assert_int_equal(convert_total_to_swap(1, 1 << 20), 0);
	assert_int_equal(convert_total_to_swap(-1, 1 << 20), -1);
	assert_int_equal(convert_swap_to_total(-1, 1 << 20), -1);
	assert_int_equal(convert_swap_to_total(1, INT64_MAX), -1);
	assert_int_equal(convert_swap_to_total(0, UINT64_MAX), -1);
	for (unsigned int m = 0; m < sizeof(memory) / sizeof(*memory); m++)
		for (unsigned int i = 0; i < sizeof(alone) / sizeof(*alone); i++) {
			int64_t total = convert_swap_to_total(alone[i], memory[m]);

			assert_int_equal(
				convert_total_to_swap(total, memory[m]), total < 0 ? -1 : alone[i]);
		}
}

static void nearest(void **state)
{
	const struct range pages = {" bytes", 8192, 40960, 4096};
	static const struct {
		uint64_t v, want;
	} rows[] = {{0, 8192}, {8191, 8192}, {8192, 8192}, {8193, 8192}, {10239, 8192},
		{10240, 8192}, {10241, 12288}, {12287, 12288}, {12288, 12288}, {40959, 40960},
		{40960, 40960}, {40961, 40960}, {UINT64_MAX, 40960}};
	struct err e = {0};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(range_nearest(&pages, rows[i].v), rows[i].want);
		assert_int_equal(range_check(&pages, "x", rows[i].v, &e),
			rows[i].v == rows[i].want ? 0 : -EINVAL);
	}
	assert_int_equal(range_check(&pages, "memory limit of 12287 bytes", 12287, &e), -EINVAL);
	assert_string_equal(e.text,
		"memory limit of 12287 bytes: the kernel can't hold that, the nearest it can is 12288 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scales),
		cmocka_unit_test(beyond_the_ends),
		cmocka_unit_test(shares),
		cmocka_unit_test(blkio),
		cmocka_unit_test(swap),
		cmocka_unit_test(nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
