/* SPDX-License-Identifier: MIT */
/*
 * Limits of I/O and updates, in this machine's own hierarchies, whichever version they are.
 */
#include <errno.h>
#include <string.h>

#include "cgroup_host.h"
#include "cgroupd/apply.h"

static void need_swap(void)
{
	need(CTL_MEMORY);
	if (!tree.swap_accounting) {
		print_message("skipped: this kernel doesn't account swap\n");
		skip();
	}
}

static void get_raw(const struct branch *b, const char *id, const char *file, char ret[CONTROL_MAX])
{
	char path[GROUP_PATH_MAX];

	assert_int_equal(group_read_control(b->base_fd, group_path(path, id, file), ret), 0);
}

/* A device that the kernel can limit: the first whole disk. */
static bool find_disk(uint32_t *ret_major, uint32_t *ret_minor)
{
	unsigned int major, minor;
	char disk[64], line[256];
	bool found = false;
	FILE *f = fopen("/proc/partitions", "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char path[128];

		if (sscanf(line, " %u %u %*u %63s", &major, &minor, disk) != 3)
			continue;
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major, minor);
		found = access(path, F_OK) < 0;
	}
	if (f)
		fclose(f);
	*ret_major = major;
	*ret_minor = minor;
	return found;
}

static void io_limits(void **state)
{
	struct io_rate rate = {.read_bps = 1 << 20, .write_iops = 100};
	struct io_rate both[2] = {{0}, {.major = 4095, .minor = 77, .write_bps = 4096}};
	struct limits want = {.io = {&rate, 1}};
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_IO);
	if (!find_disk(&rate.major, &rate.minor)) {
		print_message("skipped: this machine has no disk\n");
		skip();
	}
	if (make("io", &want, &r, &e) < 0)
		fail_msg("%s", e.text);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(r.limits.io.n, 1);
		assert_int_equal(r.limits.io.v[0].major, rate.major);
		assert_int_equal(r.limits.io.v[0].minor, rate.minor);
		assert_int_equal(r.limits.io.v[0].read_bps, 1 << 20);
		assert_int_equal(r.limits.io.v[0].write_bps, 0);
		assert_int_equal(r.limits.io.v[0].write_iops, 100);
		assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	}
	/* One rate goes, the other stays; then that goes, too. */
	rate = (struct io_rate){.major = rate.major, .minor = rate.minor, .read_bps = -1};
	assert_int_equal(apply_update(&tree, "io", &want, &e), 0);
	assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	assert_int_equal(r.limits.io.n, 1);
	assert_int_equal(r.limits.io.v[0].read_bps, 0);
	assert_int_equal(r.limits.io.v[0].write_iops, 100);
	rate.write_iops = -1;
	assert_int_equal(apply_update(&tree, "io", &want, &e), 0);
	assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	assert_int_equal(r.limits.io.n, 0);
	/* Of a disk and one that is not there, the disk gets nothing either. */
	both[0] = (struct io_rate){.major = rate.major, .minor = rate.minor, .write_bps = 4096};
	want.io = (__typeof__(want.io)){both, 2};
	assert_int_equal(apply_update(&tree, "io", &want, &e), -ENODEV);
	assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	assert_int_equal(r.limits.io.n, 0);
	assert_int_equal(group_remove(&tree, "io", &e), 0);
}

/* What fails at the last row leaves those before it as they were, byte for byte. */
static void update_undone(void **state)
{
	static const char *const files[2][4] = {
		{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_quota_us",
			"pids.max"},
		{"memory.max", "memory.swap.max", "cpu.max", "pids.max"}};
	static const enum controller of[] = {CTL_MEMORY, CTL_MEMORY, CTL_CPU, CTL_PIDS};
	struct io_rate none = {.major = 4095, .minor = 77, .read_bps = 4096};
	const struct limits first = {
		.memory = MIB(64), .memory_swap = (int64_t)MIB(64), .cpu_quota = 5000, .pids = 7};
	const struct limits second = {.memory = MIB(128),
		.memory_swap = (int64_t)MIB(256),
		.cpu_quota = 9000,
		.pids = 9,
		.io = {&none, 1}};
	char before[4][CONTROL_MAX], after[CONTROL_MAX];
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_IO);
	need(CTL_CPU);
	need(CTL_PIDS);
	need_swap();
	assert_int_equal(make("undone", &first, &r, &e), 0);
	for (unsigned int i = 0; i < 4; i++) {
		const struct branch *b = tree_find(&tree, of[i]);

		get_raw(b, "undone", files[b->version - 1][i], before[i]);
	}
	assert_int_equal(apply_update(&tree, "undone", &second, &e), -ENODEV);
	assert_non_null(strstr(e.text, "4095:77"));
	for (unsigned int i = 0; i < 4; i++) {
		const struct branch *b = tree_find(&tree, of[i]);

		get_raw(b, "undone", files[b->version - 1][i], after);
		assert_string_equal(after, before[i]);
	}
	assert_int_equal(group_remove(&tree, "undone", &e), 0);
}

/* What an update says nothing of ends; and is back when the update fails. */
static void update_lifts(void **state)
{
	struct io_rate none = {.major = 4095, .minor = 77, .read_bps = 4096};
	const struct limits all = {.memory = MIB(64),
		.memory_swap = (int64_t)MIB(64),
		.memory_reservation = MIB(32),
		.cpu_quota = 5000,
		.cpu_period = 50000,
		.cpu_shares = 512,
		.cpuset_cpus = "0",
		.pids = 7};
	const struct limits nothing = {0}, failing = {.io = {&none, 1}};
	const struct branch *cpus;
	char text[CONTROL_MAX], parents[CONTROL_MAX];
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_IO);
	need(CTL_CPU);
	need(CTL_CPUSET);
	need(CTL_PIDS);
	need_swap();
	assert_int_equal(make("lifted", &all, &r, &e), 0);
	assert_int_equal(apply_update(&tree, "lifted", &failing, &e), -ENODEV);
	assert_int_equal(group_read_limits(&tree, "lifted", &r, &e), 0);
	assert_int_equal(r.limits.memory, MIB(64));
	assert_int_equal(r.limits.memory_swap, MIB(64));
	assert_int_equal(r.limits.memory_reservation, MIB(32));
	assert_int_equal(r.limits.cpu_quota, 5000);
	assert_int_equal(r.limits.cpu_period, 50000);
	assert_int_equal(r.limits.cpu_shares, 512);
	assert_string_equal(r.limits.cpuset_cpus, "0");
	assert_int_equal(apply_update(&tree, "lifted", &nothing, &e), 0);
	assert_int_equal(group_read_limits(&tree, "lifted", &r, &e), 0);
	assert_int_equal(r.limits.memory, 0);
	assert_int_equal(r.limits.memory_swap, 0);
	assert_int_equal(r.limits.memory_reservation, 0);
	assert_int_equal(r.limits.cpu_quota, 0);
	assert_int_equal(r.limits.cpu_period, 0);
	assert_int_equal(r.limits.cpu_shares, 0);
	assert_int_equal(r.limits.pids, LIMIT_PIDS_DEFAULT);
	cpus = tree_find(&tree, CTL_CPUSET);
	get_raw(cpus, "lifted", "cpuset.cpus", text);
	get_raw(cpus, ".", cpus->version == 1 ? "cpuset.cpus" : "cpuset.cpus.effective", parents);
	assert_string_equal(text, parents);
	assert_int_equal(group_remove(&tree, "lifted", &e), 0);
}

/* Within a slice's share of the processors (v1), where neither period nor quota can always go
 * first. */
static void quota_and_period(void **state)
{
	static const struct limits steps[] = {
		{.cpu_quota = 25000, .cpu_period = 50000},
		{.cpu_quota = 100000, .cpu_period = 200000},
		{.cpu_quota = 50000, .cpu_period = 100000},
		{.cpu_quota = 100000, .cpu_period = 200000},
		{.cpu_quota = 0},
		{.cpu_quota = 1000, .cpu_period = 1000000},
	};
	const struct limits too_much = {.cpu_quota = 60000, .cpu_period = 100000};
	const struct branch *b;
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_CPU);
	b = tree_find(&tree, CTL_CPU);
	if (b->version == 1)
		assert_int_equal(fd_write_file_at(b->base_fd, "cpu.cfs_quota_us", "50000"), 0);
	assert_int_equal(make("period", &steps[0], &r, &e), 0);
	for (unsigned int i = 1; i < ARRAY_LEN(steps); i++) {
		if (apply_update(&tree, "period", &steps[i], &e) < 0)
			fail_msg("step %u: %s", i, e.text);
		assert_int_equal(group_read_limits(&tree, "period", &r, &e), 0);
		assert_int_equal(r.limits.cpu_quota, steps[i].cpu_quota);
		assert_int_equal(r.limits.cpu_period, steps[i].cpu_period);
		if (b->version == 1) {
			assert_int_equal(apply_update(&tree, "period", &too_much, &e), -EINVAL);
			assert_int_equal(group_read_limits(&tree, "period", &r, &e), 0);
			assert_int_equal(r.limits.cpu_quota, steps[i].cpu_quota);
			assert_int_equal(r.limits.cpu_period, steps[i].cpu_period);
		}
	}
	assert_int_equal(group_remove(&tree, "period", &e), 0);
	if (b->version == 1)
		assert_int_equal(fd_write_file_at(b->base_fd, "cpu.cfs_quota_us", "-1"), 0);
}

/* There where the version or the kernel has it; else the sentence says why not. */
static void weight_and_swappiness(void **state)
{
	const struct limits weight = {.blkio_weight = 500}, none = {.swappiness_set = true};
	struct limits_owned r;
	struct err e = {0};
	int k;

	(void)state;
	need(CTL_IO);
	need(CTL_MEMORY);
	k = make("weight", &weight, &r, &e);
	if (k == 0)
		k = group_read_limits(&tree, "weight", &r, &e);
	if (k == 0)
		assert_int_equal(r.limits.blkio_weight, 500);
	else
		assert_non_null(strstr(e.text, "this kernel weighs no I/O"));
	assert_int_equal(dirs_of("weight"), k == 0 ? usual_hierarchies() : 0);
	assert_int_equal(group_remove(&tree, "weight", &e), 0);
	k = make("weight", &none, &r, &e);
	if (tree_find(&tree, CTL_MEMORY)->version == 1) {
		assert_int_equal(k, 0);
		assert_int_equal(group_read_limits(&tree, "weight", &r, &e), 0);
		assert_true(r.limits.swappiness_set && r.limits.swappiness == 0);
		assert_int_equal(apply_update(&tree, "weight", NULL, &e), 0);
		assert_int_equal(group_read_limits(&tree, "weight", &r, &e), 0);
		assert_true(!r.limits.swappiness_set);
	} else {
		assert_int_equal(k, -EOPNOTSUPP);
		assert_non_null(strstr(e.text, "cgroup v2 has no swappiness"));
	}
	assert_int_equal(group_remove(&tree, "weight", &e), 0);
	/* Nobody asked for anything: nothing is told. */
	assert_int_equal(make("weight", NULL, &r, &e), 0);
	assert_int_equal(group_read_limits(&tree, "weight", &r, &e), 0);
	assert_true(!r.limits.swappiness_set && !r.limits.blkio_weight && !r.limits.io.n);
	assert_int_equal(group_remove(&tree, "weight", &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(io_limits),
		cmocka_unit_test(update_undone),
		cmocka_unit_test(update_lifts),
		cmocka_unit_test(quota_and_period),
		cmocka_unit_test(weight_and_swappiness),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
