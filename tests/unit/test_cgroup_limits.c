/* SPDX-License-Identifier: MIT */
/*
 * Limits: what is written into which file, what is read back, and what is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cgroupd/convert.h"
#include "cgroupd/limit_hugepages.h"
#include "cgroupd/limit_rates.h"
#include "cgroupd/limits.h"

#define ALL_CONTROLLERS ((1U << CTL_COUNT) - 1)
#define MIB(n)		((uint64_t)(n) << 20)

static const struct limit_host full = {ALL_CONTROLLERS, true, true};

static const struct limit_row *find_row(int version, const char *file)
{
	for (const struct limit_row *row = limit_rows(version); row->file; row++)
		if (strcmp(row->file, file) == 0)
			return row;
	fail_msg("no row for %s", file);
	return NULL;
}

/* NULL: nothing is written. */
static void expect_text(int version, const char *file, struct limits l, const char *want)
{
	char text[LIMIT_TEXT_MAX];
	bool any = find_row(version, file)->format(&l, text);

	assert_int_equal(any, want != NULL);
	if (want)
		assert_string_equal(text, want);
}

static void texts(void **state)
{
	(void)state;
	expect_text(1, "memory.limit_in_bytes", (struct limits){.memory = MIB(128)}, "134217728");
	expect_text(1, "memory.limit_in_bytes", (struct limits){0}, NULL);
	expect_text(2, "memory.max", (struct limits){.memory = MIB(128)}, "134217728");
	expect_text(1, "memory.memsw.limit_in_bytes", (struct limits){.memory_swap = -1}, "-1");
	expect_text(1, "memory.memsw.limit_in_bytes",
		(struct limits){.memory = MIB(1), .memory_swap = (int64_t)MIB(3)}, "3145728");
	expect_text(2, "memory.swap.max",
		(struct limits){.memory = MIB(1), .memory_swap = (int64_t)MIB(3)}, "2097152");
	expect_text(2, "memory.swap.max",
		(struct limits){.memory = MIB(1), .memory_swap = (int64_t)MIB(1)}, "0");
	expect_text(
		2, "memory.swap.max", (struct limits){.memory = MIB(1), .memory_swap = -1}, "max");
	expect_text(2, "memory.swap.max", (struct limits){.memory = MIB(1)}, NULL);
	expect_text(1, "cpu.cfs_quota_us", (struct limits){.cpu_quota = -1}, "-1");
	expect_text(2, "cpu.max", (struct limits){.cpu_quota = 250000}, "250000 100000");
	expect_text(2, "cpu.max", (struct limits){.cpu_quota = 5000, .cpu_period = 50000},
		"5000 50000");
	expect_text(2, "cpu.max", (struct limits){.cpu_quota = -1}, "max 100000");
	expect_text(2, "cpu.max", (struct limits){.cpu_period = 50000}, "max 50000");
	expect_text(2, "cpu.max", (struct limits){.cpu_shares = 5}, NULL);
	expect_text(1, "cpu.shares", (struct limits){.cpu_shares = 512}, "512");
	expect_text(2, "cpu.weight", (struct limits){.cpu_shares = 1024}, "100");
	expect_text(2, "cpuset.cpus", (struct limits){.cpuset_cpus = "0-2,5"}, "0-2,5");
	expect_text(1, "pids.max", (struct limits){.pids = -1}, "max");
	expect_text(2, "pids.max", (struct limits){.pids = 20}, "20");
	expect_text(1, "memory.swappiness", (struct limits){.swappiness = 60}, NULL);
	expect_text(1, "memory.swappiness", (struct limits){.swappiness_set = true}, "0");
	expect_text(1, "blkio.bfq.weight", (struct limits){.blkio_weight = 500}, "500");
	expect_text(2, "io.weight", (struct limits){.blkio_weight = 500}, "4950");
	expect_text(2, "io.bfq.weight", (struct limits){.blkio_weight = 500}, "500");
	expect_text(2, "io.weight", (struct limits){0}, NULL);
}

/* Rates: a device without this one has no line, and -1 is what ends one. */
static void rates(void **state)
{
	struct io_rate v[] = {{.major = 254, .read_bps = 1048576, .write_iops = -1},
		{.major = 8, .minor = 16, .write_bps = 5, .read_iops = 7}};
	const struct limits l = {.io = {v, 2}}, none = {0};

	(void)state;
	expect_text(1, "blkio.throttle.read_bps_device", l, "254:0 1048576");
	expect_text(1, "blkio.throttle.write_iops_device", l, "254:0 0");
	expect_text(1, "blkio.throttle.write_bps_device", l, "8:16 5");
	expect_text(1, "blkio.throttle.read_iops_device", l, "8:16 7");
	expect_text(1, "blkio.throttle.read_iops_device", none, NULL);
	expect_text(2, "io.max", l, "254:0 rbps=1048576 wiops=max\n8:16 wbps=5 riops=7");
	expect_text(2, "io.max", none, NULL);
}

/* Weights: behind the default one, on BFQ's scale and on that of blk-iocost. */
static void weights(void **state)
{
	struct io_rate v[] = {{.major = 254, .weight = 500},
		{.major = 8, .minor = 16, .weight = -1}, {.major = 9, .read_bps = 4}};
	const struct limits l = {.io = {v, 3}}, none = {.io = {v + 2, 1}};
	struct limits_owned r = {0};
	char text[LIMIT_TEXT_MAX];

	(void)state;
	assert_true(format_bfq_weights(&l, text));
	assert_string_equal(text, "254:0 500\n8:16 default");
	assert_true(format_io_weights(&l, text));
	assert_string_equal(text, "254:0 4950\n8:16 default");
	assert_false(format_bfq_weights(&none, text));
	assert_int_equal(parse_bfq_weights("default 100", &r), 0);
	assert_int_equal(r.limits.io.n, 0);
	assert_int_equal(parse_bfq_weights("default 100\n254:0 500\n8:16 10", &r), 0);
	assert_int_equal(r.limits.io.n, 2);
	assert_int_equal(r.io[0].weight, 500);
	assert_int_equal(r.io[1].weight, 10);
	r = (struct limits_owned){0};
	assert_int_equal(parse_io_weights("default 100\n254:0 4950", &r), 0);
	assert_int_equal(r.io[0].weight, 500);
	assert_int_equal(parse_io_weights("254:0", &r), -EBADMSG);
	assert_int_equal(parse_bfq_weights("default 100\n254:0 heavy", &r), -EBADMSG);
}

/* The default weight where both have a file, of which BFQ's may be younger than the container. */
static void two_weights(void **state)
{
	struct limits_owned r = {0};

	(void)state;
	assert_int_equal(find_row(2, "io.weight")->parse("default 4950", &r), 0);
	assert_int_equal(r.limits.blkio_weight, 500);
	assert_int_equal(find_row(2, "io.bfq.weight")->parse("default 100", &r), 0);
	assert_int_equal(r.limits.blkio_weight, 500);
	assert_int_equal(find_row(2, "io.bfq.weight")->parse("default 300\n7:0 20", &r), 0);
	assert_int_equal(r.limits.blkio_weight, 300);
}

/* The longest that a message may hold fits a text. */
static void most_rates(void **state)
{
	struct io_rate v[LIMIT_IO_MAX];
	const struct limits l = {.io = {v, LIMIT_IO_MAX}};
	char text[LIMIT_TEXT_MAX];
	struct limits_owned r = {0};

	(void)state;
	for (uint32_t i = 0; i < LIMIT_IO_MAX; i++)
		v[i] = (struct io_rate){.major = 4095,
			.minor = 1048560 + i,
			.read_bps = INT64_MAX,
			.write_bps = INT64_MAX,
			.read_iops = UINT32_MAX,
			.write_iops = UINT32_MAX};
	assert_true(find_row(2, "io.max")->format(&l, text));
	assert_int_equal(find_row(2, "io.max")->parse(text, &r), 0);
	assert_int_equal(r.limits.io.n, LIMIT_IO_MAX);
	for (uint32_t i = 0; i < LIMIT_IO_MAX; i++) {
		assert_int_equal(r.io[i].minor, v[i].minor);
		assert_int_equal(r.io[i].write_bps, v[i].write_bps);
		assert_int_equal(r.io[i].write_iops, v[i].write_iops);
	}
}

static int take(int version, const char *file, const char *text, struct limits_owned *r)
{
	return find_row(version, file)->parse(text, r);
}

/* Of huge pages: 0 is a limit, -1 is what ends one; each size has two files. */
static void hugepages(void **state)
{
	struct hugepage_limit v[] = {{.page = 2 << 20, .limit = 0}, {.page = 1 << 30, .limit = -1}};
	const struct limits l = {.hugepages = {v, 2}}, none = {0};
	struct limits_owned r = {0};
	struct err e = {0};

	(void)state;
	expect_text(1, "hugetlb.2MB.limit_in_bytes", l, "0");
	expect_text(1, "hugetlb.2MB.rsvd.limit_in_bytes", l, "0");
	expect_text(1, "hugetlb.1GB.limit_in_bytes", l, "-1");
	expect_text(2, "hugetlb.2MB.max", l, "0");
	expect_text(2, "hugetlb.1GB.rsvd.max", l, "max");
	expect_text(2, "hugetlb.64KB.max", l, NULL);
	expect_text(2, "hugetlb.2MB.max", none, NULL);
	assert_int_equal(take(2, "hugetlb.64KB.max", "max", &r), 0);
	assert_int_equal(take(1, "hugetlb.1GB.limit_in_bytes", "9223372035781033984", &r), 0);
	assert_int_equal(take(2, "hugetlb.2MB.max", "9223372036854771712", &r), 0);
	assert_int_equal(r.limits.hugepages.n, 0);
	assert_int_equal(take(2, "hugetlb.2MB.max", "0", &r), 0);
	assert_int_equal(take(2, "hugetlb.2MB.rsvd.max", "0", &r), 0);
	assert_int_equal(take(1, "hugetlb.32MB.limit_in_bytes", "67108864", &r), 0);
	assert_int_equal(r.limits.hugepages.n, 2);
	assert_int_equal(r.hugepages[0].page, 2 << 20);
	assert_int_equal(r.hugepages[0].limit, 0);
	assert_int_equal(r.hugepages[1].page, 32 << 20);
	assert_int_equal(r.hugepages[1].limit, 64 << 20);
	assert_int_equal(take(2, "hugetlb.2MB.max", "x", &r), -EBADMSG);
	assert_int_equal(take(2, "hugetlb.2MB.rsvd.max", "x", &r), -EBADMSG);
	assert_int_equal(hugepages_check(&l, &e), 0);
	v[0].limit = 3000000;
	assert_int_equal(hugepages_check(&l, &e), -EINVAL);
	assert_non_null(strstr(e.text, "2097152"));
	v[0] = (struct hugepage_limit){.page = 4 << 20, .limit = 4 << 20};
	assert_int_equal(hugepages_check(&l, &e), -EINVAL);
	v[0] = (struct hugepage_limit){.page = 2 << 20, .limit = -2};
	assert_int_equal(hugepages_check(&l, &e), -EINVAL);
}

static void readings(void **state)
{
	struct limits_owned r = {0};

	(void)state;
	assert_int_equal(take(1, "memory.limit_in_bytes", "134217728", &r), 0);
	assert_int_equal(r.limits.memory, MIB(128));
	assert_int_equal(take(1, "memory.limit_in_bytes", "9223372036854771712", &r), 0);
	assert_int_equal(r.limits.memory, 0); /* unlimited with pages of 4 KiB */
	assert_int_equal(take(1, "memory.limit_in_bytes", "9223372036854710272", &r), 0);
	assert_int_equal(r.limits.memory, 0); /* and of 64 KiB */
	assert_int_equal(take(1, "memory.memsw.limit_in_bytes", "9223372036854771712", &r), 0);
	assert_int_equal(r.limits.memory_swap, -1);
	assert_int_equal(take(2, "memory.max", "max", &r), 0);
	assert_int_equal(r.limits.memory, 0);
	assert_int_equal(take(2, "memory.max", "1048576", &r), 0);
	assert_int_equal(take(2, "memory.swap.max", "2097152", &r), 0);
	assert_int_equal(r.limits.memory_swap, MIB(3));
	assert_int_equal(take(2, "memory.swap.max", "max", &r), 0);
	assert_int_equal(r.limits.memory_swap, -1);
	assert_int_equal(take(1, "cpu.cfs_quota_us", "-1", &r), 0);
	assert_int_equal(r.limits.cpu_quota, 0);
	assert_int_equal(take(2, "cpu.max", "250000 100000", &r), 0);
	assert_int_equal(r.limits.cpu_quota, 250000);
	assert_int_equal(r.limits.cpu_period, 100000);
	assert_int_equal(take(2, "cpu.max", "max 50000", &r), 0);
	assert_int_equal(r.limits.cpu_quota, 0);
	assert_int_equal(r.limits.cpu_period, 50000);
	assert_int_equal(take(2, "cpu.weight", "100", &r), 0);
	assert_int_equal(r.limits.cpu_shares, 1024);
	assert_int_equal(take(1, "cpuset.cpus", "0-1", &r), 0);
	assert_string_equal(r.limits.cpuset_cpus, "0-1");
	assert_ptr_equal(r.limits.cpuset_cpus, r.cpus);
	assert_int_equal(take(2, "cpuset.mems", "", &r), 0);
	assert_null(r.limits.cpuset_mems);
	assert_int_equal(take(1, "pids.max", "max", &r), 0);
	assert_int_equal(r.limits.pids, -1);
	assert_int_equal(take(1, "pids.max", "2048", &r), 0);
	assert_int_equal(r.limits.pids, 2048);
	assert_int_equal(take(2, "io.weight", "default 4950\n254:0 100", &r), 0);
	assert_int_equal(r.limits.blkio_weight, 500);
	assert_int_equal(take(2, "io.weight", "default 100", &r), 0);
	assert_int_equal(r.limits.blkio_weight, 0);
	assert_int_equal(take(1, "blkio.bfq.weight", "300", &r), 0);
	assert_int_equal(r.limits.blkio_weight, 300);
	assert_int_equal(take(1, "blkio.throttle.read_bps_device", "254:0 5\n8:16 6", &r), 0);
	assert_int_equal(take(1, "blkio.throttle.write_bps_device", "8:16 7", &r), 0);
	assert_int_equal(take(1, "blkio.throttle.write_iops_device", "", &r), 0);
	assert_int_equal(r.limits.io.n, 2);
	assert_int_equal(r.io[0].read_bps, 5);
	assert_int_equal(r.io[1].minor, 16);
	assert_int_equal(r.io[1].read_bps, 6);
	assert_int_equal(r.io[1].write_bps, 7);
	r = (struct limits_owned){0};
	assert_int_equal(take(2, "io.max", "254:0 rbps=5 wbps=max riops=9 wiops=max new=1", &r), 0);
	assert_int_equal(r.io[0].read_bps, 5);
	assert_int_equal(r.io[0].write_bps, 0);
	assert_int_equal(r.io[0].read_iops, 9);
}

/* What takes a limit away, and how the kernel shows that: then nobody has asked for anything. */
static void nothing_left(void **state)
{
	static const struct {
		int version;
		const char *file, *none, *shown;
	} v[] = {
		{1, "memory.limit_in_bytes", "-1", "9223372036854771712"},
		{1, "memory.memsw.limit_in_bytes", "-1", "9223372036854771712"},
		{1, "memory.soft_limit_in_bytes", "-1", "9223372036854771712"},
		{1, "cpu.cfs_period_us", "100000", "100000"},
		{1, "cpu.cfs_quota_us", "-1", "-1"},
		{1, "cpu.shares", "1024", "1024"},
		{1, "blkio.bfq.weight", "100", "100"},
		{2, "memory.max", "max", "max"},
		{2, "memory.swap.max", "max", "max"},
		{2, "memory.low", "0", "0"},
		{2, "cpu.max", "max 100000", "max 100000"},
		{2, "cpu.weight", "100", "100"},
		{2, "io.weight", "100", "default 100"},
		{2, "io.bfq.weight", "100", "100"},
	};
	const struct limits nothing = {0};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(v); i++) {
		struct limits_owned r = {0};

		assert_string_equal(find_row(v[i].version, v[i].file)->none, v[i].none);
		assert_int_equal(take(v[i].version, v[i].file, v[i].shown, &r), 0);
		limits_tidy(&r, NULL, &full);
		r.limits.io.v = NULL;
		assert_memory_equal(&r.limits, &nothing, sizeof(nothing));
	}
}

static void bad_readings(void **state)
{
	static const struct {
		int version;
		const char *file, *text;
	} v[] = {
		{1, "memory.limit_in_bytes", ""},
		{1, "memory.limit_in_bytes", "-5"},
		{2, "memory.max", "12 13"},
		{2, "memory.swap.max", "-1"},
		{1, "cpu.cfs_quota_us", "0"},
		{1, "cpu.cfs_quota_us", "-2"},
		{2, "cpu.max", "max"},
		{2, "cpu.max", "100000"},
		{2, "cpu.max", "1111111111111111111111111111111111 100000"},
		{2, "cpu.weight", "10001"},
		{2, "cpu.weight", "0"},
		{1, "cpuset.cpus", "0-"},
		{2, "pids.max", "many"},
		{2, "io.weight", "default"},
		{2, "io.weight", "default 10001"},
		{1, "blkio.bfq.weight", "-1"},
		{1, "memory.swappiness", ""},
		{2, "io.max", "254:0"},
		{2, "io.max", "254:0 rbps"},
		{2, "io.max", "254:0 rbps=x"},
		{2, "io.max", "254 rbps=1"},
		{1, "blkio.throttle.read_bps_device", "254:0 -1"},
		{1, "blkio.throttle.read_bps_device", "Total 0"},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(v); i++) {
		struct limits_owned r = {0};

		if (take(v[i].version, v[i].file, v[i].text, &r) != -EBADMSG)
			fail_msg("%s took \"%s\"", v[i].file, v[i].text);
	}
}

static void lists(void **state)
{
	static const char *const bad[] = {"", ",", "0,", ",0", "0-", "-1", "2-1", "0 1", "0--1",
		"a", "0,,1", "8192", "99999999999", "1-2-3", "0\n"};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++)
		if (limits_list_within(bad[i], "0-7") != -EINVAL)
			fail_msg("took \"%s\"", bad[i]);
	assert_int_equal(limits_list_within("0", "0-1"), 1);
	assert_int_equal(limits_list_within("0,1", "0-1"), 1);
	assert_int_equal(limits_list_within("1,0", "0-1"), 1);
	assert_int_equal(limits_list_within("63-65,8191", "0-100,8000-8191"), 1);
	assert_int_equal(limits_list_within("2", "0-1"), 0);
	assert_int_equal(limits_list_within("0-7", "0-1"), 0);
	assert_int_equal(limits_list_within("0", "1"), 0);
}

static void defaults(void **state)
{
	struct limits l, memory = {.memory = MIB(128)}, cpus = {.cpu_quota = 5000},
			 huge = {.memory = INT64_MAX >> 20 << 20};
	const struct limit_host no_swap_files = {ALL_CONTROLLERS, false, true},
				no_pids = {0, false, false};

	(void)state;
	assert_int_equal(limits_complete(NULL, &full, &l, NULL), 0);
	assert_int_equal(l.pids, 2048);
	assert_int_equal(l.memory_swap, 0);
	assert_int_equal(limits_complete(&memory, &full, &l, NULL), 0);
	assert_int_equal(l.memory_swap, MIB(256));
	assert_int_equal(limits_complete(&huge, &full, &l, NULL), 0);
	assert_int_equal(l.memory_swap, -1);
	assert_int_equal(limits_complete(&memory, &no_swap_files, &l, NULL), 0);
	assert_int_equal(l.memory_swap, 0);
	assert_int_equal(limits_complete(&cpus, &full, &l, NULL), 0);
	assert_int_equal(l.cpu_period, 100000);
	assert_int_equal(limits_complete(NULL, &no_pids, &l, NULL), 0);
	assert_int_equal(l.pids, 0);
}

/* A total without accounting holds only by itself: no swap allowed, and none there. */
static void swap_without_accounting(void **state)
{
	const struct limit_host swaps = {ALL_CONTROLLERS, false, true},
				none = {ALL_CONTROLLERS, false, false};
	struct limits equal = {.memory = MIB(64), .memory_swap = (int64_t)MIB(64)};
	struct limits more = {.memory = MIB(64), .memory_swap = (int64_t)MIB(65)};
	struct limits any = {.memory = MIB(64), .memory_swap = -1}, l;
	struct limits_owned r = {.limits = {.memory = MIB(64)}};
	struct err e = {0};

	(void)state;
	assert_int_equal(limits_complete(&equal, &none, &l, &e), 0);
	assert_int_equal(l.memory_swap, 0); /* there is nothing to write */
	limits_tidy(&r, &l, &none);
	assert_int_equal(r.limits.memory_swap, MIB(64)); /* and it is in force */
	assert_int_equal(limits_complete(&any, &swaps, &l, &e), 0);
	assert_int_equal(l.memory_swap, 0);
	assert_int_equal(limits_complete(&equal, &swaps, &l, &e), -EOPNOTSUPP);
	assert_int_equal(limits_complete(&more, &none, &l, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "swapaccount=1"));
}

static void refusals(void **state)
{
	const struct {
		struct limits l;
		const char *words;
	} v[] = {
		{{.memory = MIB(6) - 1}, "the nearest it can is 6291456 bytes"},
		{{.memory = MIB(64) + 1}, "the nearest it can is 67108864 bytes"},
		{{.memory = MIB(64), .memory_swap = (int64_t)MIB(64) + 4095},
			"the nearest it can is 67112960 bytes"},
		{{.memory_reservation = 1}, "the nearest it can is 6291456 bytes"},
		{{.memory = MIB(64), .memory_reservation = MIB(65)}, "reservation"},
		{{.memory = MIB(64), .memory_swap = -2}, "memory-swap"},
		{{.memory = MIB(64), .memory_swap = (int64_t)MIB(63)}, "total of memory and swap"},
		{{.memory_swap = (int64_t)MIB(64)}, "needs a memory limit"},
		{{.cpu_quota = 999},
			"cpu quota of 999 us: the kernel can't hold that, the nearest it can is 1000 us"},
		{{.cpu_quota = INT64_MAX}, "nearest it can is 17592186044415 us"},
		{{.cpu_quota = -2}, "cpu quota is neither"},
		{{.cpu_period = 999}, "nearest it can is 1000 us"},
		{{.cpu_period = 1000001}, "nearest it can is 1000000 us"},
		{{.cpu_shares = 1}, "nearest it can is 2"},
		{{.blkio_weight = 9},
			"blkio weight of 9: the kernel can't hold that, the nearest it can is 10"},
		{{.blkio_weight = 1001}, "nearest it can is 1000"},
		{{.swappiness_set = true, .swappiness = 101}, "nearest it can is 100"},
		{{.cpu_shares = 262145}, "nearest it can is 262144"},
		{{.pids = 4194305}, "nearest it can is 4194304"},
		{{.cpuset_cpus = "0-"}, "cpuset cpus \"0-\""},
		{{.cpuset_mems = ""}, "cpuset mems"},
		{{.pids = -2}, "pids limit"},
	};
	struct limits l;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(v); i++) {
		struct err e = {0};

		if (limits_complete(&v[i].l, &full, &l, &e) != -EINVAL ||
			!strstr(e.text, v[i].words))
			fail_msg("row %u: \"%s\", not \"%s\"", i, e.text, v[i].words);
	}
}

static void missing_controllers(void **state)
{
	const struct limits v[] = {{.memory = MIB(64)}, {.memory_swap = -1},
		{.swappiness_set = true}, {.blkio_weight = 500}, {.memory_reservation = MIB(64)},
		{.cpu_quota = 5000}, {.cpu_period = 5000}, {.cpu_shares = 5}, {.cpuset_cpus = "0"},
		{.cpuset_mems = "0"}, {.pids = 5}};
	const struct limit_host none = {0};
	struct limits l;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(v); i++)
		assert_int_equal(limits_complete(&v[i], &none, &l, NULL), -EOPNOTSUPP);
}

static void tidying(void **state)
{
	struct limits asked = {.cpu_shares = 1000};
	struct limits_owned r = {
		.limits = {.cpu_period = 100000, .cpu_shares = 1024, .memory_swap = -1}};

	(void)state;
	limits_tidy(&r, NULL, &full);
	assert_int_equal(r.limits.cpu_period, 0);
	assert_int_equal(r.limits.cpu_shares, 0);
	assert_int_equal(r.limits.memory_swap, 0);
	r.limits.cpu_shares = convert_weight_to_shares(convert_shares_to_weight(1000));
	limits_tidy(&r, &asked, &full);
	assert_int_equal(r.limits.cpu_shares, 1000);
	r.limits.cpu_shares = 2;
	limits_tidy(&r, &asked, &full);
	assert_int_equal(r.limits.cpu_shares, 2); /* in force is what the kernel says */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(rates),
		cmocka_unit_test(weights),
		cmocka_unit_test(two_weights),
		cmocka_unit_test(most_rates),
		cmocka_unit_test(hugepages),
		cmocka_unit_test(readings),
		cmocka_unit_test(nothing_left),
		cmocka_unit_test(bad_readings),
		cmocka_unit_test(lists),
		cmocka_unit_test(defaults),
		cmocka_unit_test(swap_without_accounting),
		cmocka_unit_test(refusals),
		cmocka_unit_test(missing_controllers),
		cmocka_unit_test(tidying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
