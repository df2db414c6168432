/* SPDX-License-Identifier: MIT */
/*
 * What an update makes of the limits that a container has.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/engine.h"
#include "supervisor/update.h"

#define MIB(n) ((uint64_t)(n) << 20)

static void absent_stays(void **state)
{
	struct update_room room;
	struct io_rate disk = {.path = "/dev/a", .major = 8, .read_bps = 5};
	const struct limits none = {0};
	const struct limits all = {.memory = MIB(64),
		.memory_swap = -1,
		.memory_reservation = MIB(32),
		.cpu_quota = 5000,
		.cpu_period = 10000,
		.cpu_shares = 512,
		.cpuset_cpus = "0",
		.cpuset_mems = "0",
		.pids = 7,
		.swappiness_set = true,
		.swappiness = 9,
		.blkio_weight = 500,
		.io = {&disk, 1}};
	struct limits to = all;
	struct err e;

	(void)state;
	assert_int_equal(update_merge(&to, &none, &room, &e), 0);
	assert_ptr_equal(to.io.v, room.rates);
	assert_memory_equal(&room.rates[0], &disk, sizeof(disk));
	to.io.v = &disk;
	assert_memory_equal(&to, &all, sizeof(all));
	to = (struct limits){0};
	assert_int_equal(update_merge(&to, &all, &room, &e), 0);
	assert_memory_equal(&room.rates[0], &disk, sizeof(disk));
	to.io.v = &disk;
	assert_memory_equal(&to, &all, sizeof(all));
}

static void swap_goes_with_memory(void **state)
{
	struct update_room room;
	struct limits to = {.memory = MIB(64), .memory_swap = (int64_t)MIB(64)};
	const struct limits raised = {.memory = MIB(128)};
	const struct limits both = {.memory = MIB(128), .memory_swap = (int64_t)MIB(128)};
	const struct limits reserve = {.memory_reservation = MIB(129)};
	const struct limits total = {.memory_swap = (int64_t)MIB(32)};
	struct err e = {0};

	(void)state;
	assert_int_equal(update_merge(&to, &raised, &room, &e), -EINVAL);
	assert_non_null(strstr(e.text, "at the same time"));
	assert_int_equal(to.memory, MIB(64));
	assert_int_equal(update_merge(&to, &both, &room, &e), 0);
	assert_int_equal(update_merge(&to, &reserve, &room, &e), -EINVAL);
	/* Never told, it grows by itself. */
	to = (struct limits){.memory = MIB(64)};
	assert_int_equal(update_merge(&to, &raised, &room, &e), 0);
	assert_int_equal(to.memory_swap, 0);
	assert_int_equal(update_merge(&to, &total, &room, &e), -EINVAL);
	assert_non_null(strstr(e.text, "can't be below the memory limit"));
	to = (struct limits){0};
	assert_int_equal(update_merge(&to, &total, &room, &e), -EINVAL);
	assert_non_null(strstr(e.text, "needs a memory limit"));
}

static void cpus_are_one_word(void **state)
{
	struct update_room room;
	struct limits to = {.cpus = true, .cpu_quota = 50000, .cpu_period = 100000};
	const struct limits period = {.cpu_period = 10000}, quota = {.cpu_quota = 5000};
	const struct limits none = {.cpu_quota = -1};
	const struct limits more = {.cpus = true, .cpu_quota = 90000, .cpu_period = 100000};
	struct err e = {0};

	(void)state;
	assert_int_equal(update_merge(&to, &period, &room, &e), -EINVAL);
	assert_int_equal(update_merge(&to, &quota, &room, &e), -EINVAL);
	assert_non_null(strstr(e.text, "--cpus"));
	assert_int_equal(to.cpu_period, 100000);
	assert_int_equal(update_merge(&to, &more, &room, &e), 0);
	assert_int_equal(to.cpu_quota, 90000);
	assert_int_equal(update_merge(&to, &none, &room, &e), 0);
	assert_int_equal(update_merge(&to, &quota, &room, &e), 0);
	assert_int_equal(update_merge(&to, &period, &room, &e), 0);
	assert_int_equal(to.cpu_quota, 5000);
	assert_int_equal(to.cpu_period, 10000);
	assert_false(to.cpus);
}

static void rates(void **state)
{
	struct update_room room;
	struct io_rate has[UPDATE_RATES_MAX] = {0};
	struct io_rate more[] = {
		{.major = 8, .minor = 3, .read_bps = -1, .write_iops = 2, .weight = 30},
		{.major = 9, .minor = 3, .read_bps = 1}};
	struct limits to = {.io = {has, UPDATE_RATES_MAX - 1}};
	const struct limits one = {.io = {more, 1}}, two = {.io = {more, 2}};
	struct err e = {0};

	(void)state;
	for (uint32_t i = 0; i < UPDATE_RATES_MAX; i++)
		has[i] = (struct io_rate){.path = "/dev/b", .major = 8, .minor = i, .read_bps = 7};
	assert_int_equal(update_merge(&to, &two, &room, &e), 0);
	assert_int_equal(to.io.n, UPDATE_RATES_MAX);
	assert_int_equal(room.rates[2].read_bps, 7);
	assert_int_equal(room.rates[3].read_bps, -1);
	assert_int_equal(room.rates[3].write_iops, 2);
	assert_int_equal(room.rates[3].weight, 30);
	assert_string_equal(room.rates[3].path, "/dev/b");
	assert_int_equal(room.rates[15].major, 9);
	to = (struct limits){.io = {has, UPDATE_RATES_MAX}};
	assert_int_equal(update_merge(&to, &one, &room, &e), 0);
	assert_int_equal(update_merge(&to, &two, &room, &e), -E2BIG);
}

static void limits_end(void **state)
{
	static const char *const all[] = {"memory_reservation", "cpu_quota", "cpu_period",
		"cpu_shares", "blkio_weight", "memory_swap"};
	static const char *const memory[] = {"memory"}, *const wrong[] = {"swappiness"};
	const struct strv names = {(const char **)(uintptr_t)all, ARRAY_LEN(all)};
	struct limits to = {.memory = MIB(64),
		.memory_swap = (int64_t)MIB(128),
		.memory_reservation = MIB(32),
		.cpu_quota = 5000,
		.cpu_period = 10000,
		.cpu_shares = 512,
		.cpuset_cpus = "0",
		.pids = 7,
		.blkio_weight = 500};
	const struct limits left = {.memory = MIB(64), .cpuset_cpus = "0", .pids = 7};
	struct err e = {0};

	(void)state;
	assert_int_equal(update_lift(&to, &names, &e), 0);
	assert_memory_equal(&to, &left, sizeof(left));
	/* Memory's takes with it the total, which says nothing alone. */
	to.memory_swap = (int64_t)MIB(128);
	assert_int_equal(
		update_lift(&to, &(struct strv){(const char **)(uintptr_t)memory, 1}, &e), 0);
	assert_int_equal(to.memory, 0);
	assert_int_equal(to.memory_swap, 0);
	assert_int_equal(
		update_lift(&to, &(struct strv){(const char **)(uintptr_t)wrong, 1}, &e), -EINVAL);
	assert_string_equal(e.text, "no limit called \"swappiness\" can be lifted");
}

static void undone(void **state)
{
	struct io_rate old_rates[] = {{.path = "/dev/a", .major = 8, .read_bps = 5, .weight = 300}};
	struct io_rate tried_rates[] = {
		{.path = "/dev/a", .major = 8, .read_bps = 7, .write_bps = 3, .weight = 300},
		{.path = "/dev/b", .major = 9, .write_iops = 2}};
	struct hugepage_limit old_pages[] = {{.page = MIB(2), .limit = (int64_t)MIB(4)}};
	struct hugepage_limit tried_pages[] = {
		{.page = MIB(1024), .limit = 0}, {.page = MIB(2), .limit = -1}};
	const struct limits tried = {
		.pids = 9, .io = {tried_rates, 2}, .hugepages = {tried_pages, 2}};
	struct limits to = {.pids = 7, .io = {old_rates, 1}, .hugepages = {old_pages, 1}};
	struct update_room room;

	(void)state;
	update_undo(&to, &tried, &room);
	assert_int_equal(to.pids, 7);
	assert_int_equal(to.io.n, 2);
	assert_int_equal(to.io.v[0].read_bps, 5);
	assert_int_equal(to.io.v[0].write_bps, -1);
	assert_int_equal(to.io.v[0].write_iops, 0);
	assert_int_equal(to.io.v[0].weight, 300);
	assert_int_equal(to.io.v[1].write_iops, -1);
	assert_int_equal(to.io.v[1].weight, 0);
	assert_int_equal(to.hugepages.n, 2);
	assert_int_equal(to.hugepages.v[0].limit, -1);
	assert_int_equal(to.hugepages.v[1].limit, MIB(4));
}

/* A rate that ended is no word about a disk that may be gone; what else is said of one stays. */
static void lifted(void **state)
{
	struct io_rate v[] = {{.major = 8, .read_bps = -1, .write_iops = -1},
		{.major = 9, .read_bps = -1, .write_bps = 5, .read_iops = -1},
		{.major = 10, .write_iops = 6}, {.major = 11, .write_bps = -1, .weight = -1},
		{.major = 12, .read_bps = -1, .weight = 20}};
	struct limits l = {.pids = -1, .io = {v, 5}};
	struct create none = {0}, o = {.limits = &l};

	(void)state;
	update_forget_lifted(&none);
	update_forget_lifted(&o);
	assert_int_equal(l.pids, -1);
	assert_int_equal(l.io.n, 3);
	assert_int_equal(v[2].major, 12);
	assert_int_equal(v[2].weight, 20);
	assert_int_equal(v[0].major, 9);
	assert_int_equal(v[0].read_bps, 0);
	assert_int_equal(v[0].write_bps, 5);
	assert_int_equal(v[0].read_iops, 0);
	assert_int_equal(v[1].major, 10);
	assert_int_equal(v[1].write_iops, 6);
}

static void hugepages_merged(void **state)
{
	struct update_room room;
	struct hugepage_limit has[] = {{.page = 2 << 20, .limit = 4 << 20}},
			      more[] = {{.page = 1 << 30, .limit = 0},
				      {.page = 2 << 20, .limit = -1}},
			      many[] = {{.page = 1}, {.page = 2}, {.page = 3}};
	struct limits to = {.hugepages = {has, 1}}, two = {.hugepages = {more, 2}},
		      three = {.hugepages = {many, 3}};
	struct create o = {.limits = &to};
	struct err e = {0};

	(void)state;
	assert_int_equal(update_merge(&to, &two, &room, &e), 0);
	assert_int_equal(to.hugepages.n, 2);
	assert_int_equal(to.hugepages.v[0].limit, -1); /* for cgroupd to lift */
	assert_int_equal(to.hugepages.v[1].page, 1 << 30);
	assert_int_equal(has[0].limit, 4 << 20);
	assert_int_equal(update_merge(&to, &three, &room, &e), -E2BIG);
	to.hugepages.n = 2;
	update_forget_lifted(&o);
	assert_int_equal(to.hugepages.n, 1);
	assert_int_equal(to.hugepages.v[0].page, 1 << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hugepages_merged),
		cmocka_unit_test(absent_stays),
		cmocka_unit_test(swap_goes_with_memory),
		cmocka_unit_test(limits_end),
		cmocka_unit_test(cpus_are_one_word),
		cmocka_unit_test(rates),
		cmocka_unit_test(undone),
		cmocka_unit_test(lifted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
