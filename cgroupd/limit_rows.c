/* SPDX-License-Identifier: MIT */
/*
 * The control files of both cgroup versions, a row each, with how their texts are written and read:
 * Documentation/admin-guide/cgroup-v1/{memory,cpusets,pids}.rst, scheduler/sched-bwc.rst and
 * cgroup-v2.rst.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "convert.h"
#include "limit_hugepages.h"
#include "limit_rates.h"
#include "limits.h"

/* v1 shows "no limit" as the largest count of pages in bytes; with pages of up to 64 KiB that is at
 * least: */
#define UNLIMITED_MIN (INT64_MAX & ~0xffffLL)

static bool put_u64(char *text, uint64_t v)
{
	snprintf(text, LIMIT_TEXT_MAX, "%" PRIu64, v);
	return v != 0;
}

/* A size in bytes; "max" and v1's largest are 0. */
static int get_bytes(const char *text, uint64_t *ret)
{
	if (strcmp(text, "max") == 0) {
		*ret = 0;
		return 0;
	}
	if (num_parse_u64(text, 0, UINT64_MAX, ret) < 0)
		return -EBADMSG;
	if (*ret >= UNLIMITED_MIN)
		*ret = 0;
	return 0;
}

static bool format_memory(const struct limits *l, char *text)
{
	return put_u64(text, l->memory);
}

static int parse_memory(const char *text, struct limits_owned *r)
{
	return get_bytes(text, &r->limits.memory);
}

static bool format_reservation(const struct limits *l, char *text)
{
	return put_u64(text, l->memory_reservation);
}

static int parse_reservation(const char *text, struct limits_owned *r)
{
	return get_bytes(text, &r->limits.memory_reservation);
}

/* v1: memory and swap together. */
static bool format_memsw(const struct limits *l, char *text)
{
	snprintf(text, LIMIT_TEXT_MAX, "%" PRId64, l->memory_swap);
	return l->memory_swap != 0;
}

static int parse_memsw(const char *text, struct limits_owned *r)
{
	uint64_t v;

	if (get_bytes(text, &v) < 0)
		return -EBADMSG;
	r->limits.memory_swap = v ? (int64_t)v : -1;
	return 0;
}

/* v2: swap alone. */
static bool format_swap(const struct limits *l, char *text)
{
	if (l->memory_swap < 0)
		strcpy(text, "max");
	else
		put_u64(text, (uint64_t)convert_total_to_swap(l->memory_swap, l->memory));
	return l->memory_swap != 0;
}

static int parse_swap(const char *text, struct limits_owned *r)
{
	uint64_t v;

	if (strcmp(text, "max") == 0) {
		r->limits.memory_swap = -1;
		return 0;
	}
	if (num_parse_u64(text, 0, INT64_MAX, &v) < 0)
		return -EBADMSG;
	r->limits.memory_swap = convert_swap_to_total((int64_t)v, r->limits.memory);
	return 0;
}

static bool format_period(const struct limits *l, char *text)
{
	return put_u64(text, l->cpu_period);
}

static int parse_period(const char *text, struct limits_owned *r)
{
	return num_parse_u64(text, 1, INT64_MAX, &r->limits.cpu_period) < 0 ? -EBADMSG : 0;
}

static bool format_quota(const struct limits *l, char *text)
{
	snprintf(text, LIMIT_TEXT_MAX, "%" PRId64, l->cpu_quota);
	return l->cpu_quota != 0;
}

static int parse_quota(const char *text, struct limits_owned *r)
{
	uint64_t v = 0;

	if (strcmp(text, "-1") != 0 && strcmp(text, "max") != 0 &&
		num_parse_u64(text, 1, INT64_MAX, &v) < 0)
		return -EBADMSG;
	r->limits.cpu_quota = (int64_t)v;
	return 0;
}

/* "QUOTA PERIOD" */
static bool format_cpu_max(const struct limits *l, char *text)
{
	uint64_t period = l->cpu_period ? l->cpu_period : LIMIT_PERIOD_DEFAULT;

	if (l->cpu_quota > 0)
		snprintf(text, LIMIT_TEXT_MAX, "%" PRId64 " %" PRIu64, l->cpu_quota, period);
	else
		snprintf(text, LIMIT_TEXT_MAX, "max %" PRIu64, period);
	return l->cpu_quota || l->cpu_period;
}

static int parse_cpu_max(const char *text, struct limits_owned *r)
{
	char quota[24];
	size_t n = strcspn(text, " ");

	if (n >= sizeof(quota) || text[n] != ' ')
		return -EBADMSG;
	memcpy(quota, text, n);
	quota[n] = '\0';
	return parse_quota(quota, r) < 0 ? -EBADMSG : parse_period(text + n + 1, r);
}

static bool format_shares(const struct limits *l, char *text)
{
	return put_u64(text, l->cpu_shares);
}

static int parse_shares(const char *text, struct limits_owned *r)
{
	return num_parse_u64(text, 0, INT64_MAX, &r->limits.cpu_shares) < 0 ? -EBADMSG : 0;
}

static bool format_weight(const struct limits *l, char *text)
{
	put_u64(text, convert_shares_to_weight(l->cpu_shares));
	return l->cpu_shares != 0;
}

static int parse_weight(const char *text, struct limits_owned *r)
{
	uint64_t weight;

	if (num_parse_u64(text, 1, 10000, &weight) < 0)
		return -EBADMSG;
	r->limits.cpu_shares = convert_weight_to_shares(weight);
	return 0;
}

static bool put_set(char *text, const char *set)
{
	snprintf(text, LIMIT_TEXT_MAX, "%s", set ? set : "");
	return set != NULL;
}

static int get_set(const char *text, char buf[LIMIT_SET_MAX], const char **ret)
{
	if (*text && limits_list_within(text, text) < 0)
		return -EBADMSG;
	if (!*text || strlen(text) >= LIMIT_SET_MAX)
		return 0; /* too long for a message: nobody can have asked for it either */
	*ret = strcpy(buf, text);
	return 0;
}

static bool format_cpus(const struct limits *l, char *text)
{
	return put_set(text, l->cpuset_cpus);
}

static int parse_cpus(const char *text, struct limits_owned *r)
{
	return get_set(text, r->cpus, &r->limits.cpuset_cpus);
}

static bool format_mems(const struct limits *l, char *text)
{
	return put_set(text, l->cpuset_mems);
}

static int parse_mems(const char *text, struct limits_owned *r)
{
	return get_set(text, r->mems, &r->limits.cpuset_mems);
}

static bool format_pids(const struct limits *l, char *text)
{
	if (l->pids < 0)
		strcpy(text, "max");
	else
		put_u64(text, (uint64_t)l->pids);
	return l->pids != 0;
}

static int parse_pids(const char *text, struct limits_owned *r)
{
	uint64_t v;

	r->limits.pids = -1;
	if (strcmp(text, "max") == 0)
		return 0;
	if (num_parse_u64(text, 0, INT64_MAX, &v) < 0)
		return -EBADMSG;
	r->limits.pids = (int64_t)v;
	return 0;
}

static bool format_swappiness(const struct limits *l, char *text)
{
	put_u64(text, l->swappiness);
	return l->swappiness_set;
}

static int parse_swappiness(const char *text, struct limits_owned *r)
{
	r->limits.swappiness_set = true;
	return num_parse_u64(text, 0, 200, &r->limits.swappiness) < 0 ? -EBADMSG : 0;
}

static bool format_blkio(const struct limits *l, char *text)
{
	return put_u64(text, l->blkio_weight);
}

/* "default 100" and lines of devices, or, before there were such, "100". */
static int get_weight(const char *text, uint64_t max, uint64_t *ret)
{
	char number[24];
	size_t n;

	if (strncmp(text, "default ", 8) == 0)
		text += 8;
	n = strcspn(text, "\n");
	if (n >= sizeof(number))
		return -EBADMSG;
	memcpy(number, text, n);
	number[n] = '\0';
	return num_parse_u64(number, 1, max, ret) < 0 ? -EBADMSG : 0;
}

/* The kernel's default was not asked for: see limits_tidy. BFQ's file may have come after the
 * weight was set, with the first disk that BFQ has. */
static int parse_blkio(const char *text, struct limits_owned *r)
{
	uint64_t weight;

	if (get_weight(text, 1000, &weight) < 0)
		return -EBADMSG;
	if (weight != LIMIT_IO_WEIGHT_DEFAULT)
		r->limits.blkio_weight = weight;
	return 0;
}

static bool format_io_weight(const struct limits *l, char *text)
{
	put_u64(text, convert_blkio_to_io(l->blkio_weight));
	return l->blkio_weight != 0;
}

static int parse_io_weight(const char *text, struct limits_owned *r)
{
	uint64_t weight;

	if (get_weight(text, 10000, &weight) < 0)
		return -EBADMSG;
	r->limits.blkio_weight =
		weight == LIMIT_IO_WEIGHT_DEFAULT ? 0 : convert_io_to_blkio(weight);
	return 0;
}

static const char no_swappiness[] =
	"cgroup v2 has no swappiness; a memory-swap equal to the memory limit keeps it out of swap";
static const char no_weight[] =
	"this kernel weighs no I/O (CONFIG_BFQ_GROUP_IOSCHED, CONFIG_BLK_CGROUP_IOCOST)";
static const char no_disk_weights[] =
	"this kernel weighs no I/O of single disks (CONFIG_BFQ_GROUP_IOSCHED, CONFIG_BLK_CGROUP_IOCOST)";
static const char no_rates[] = "this kernel limits no rates of I/O (CONFIG_BLK_DEV_THROTTLING)";

static const char no_hugepages[] =
	"this host has none of that size, or the container was started without a limit of them";

#define HUGEPAGES(version, word, none, size)                                                       \
	{CTL_HUGETLB, "hugetlb." #size "." word, "limit of " #size " huge pages", NULL,            \
		format_##version##_##size, parse_##size, 0, no_hugepages, none},                   \
		{CTL_HUGETLB, "hugetlb." #size ".rsvd." word, "limit of " #size " huge pages",     \
			NULL, format_##version##_##size, parse_rsvd, 0, no_hugepages, none},

static const struct limit_row v1[] = {
	{CTL_MEMORY, "memory.limit_in_bytes", "memory limit", NULL, format_memory, parse_memory,
		ROW_NEXT_FIRST, NULL, "-1"},
	{CTL_MEMORY, "memory.memsw.limit_in_bytes", "memory-swap", NULL, format_memsw, parse_memsw,
		0, NULL, "-1"},
	{CTL_MEMORY, "memory.soft_limit_in_bytes", "memory reservation", NULL, format_reservation,
		parse_reservation, 0, NULL, "-1"},
	{CTL_MEMORY, "memory.swappiness", "memory swappiness", NULL, format_swappiness,
		parse_swappiness, ROW_INHERITED, NULL, NULL},
	{CTL_CPU, "cpu.cfs_period_us", "cpu period", NULL, format_period, parse_period,
		ROW_NEXT_FIRST, NULL, "100000"},
	{CTL_CPU, "cpu.cfs_quota_us", "cpu quota", NULL, format_quota, parse_quota, 0, NULL, "-1"},
	{CTL_CPU, "cpu.shares", "cpu shares", NULL, format_shares, parse_shares, 0, NULL, "1024"},
	{CTL_CPUSET, "cpuset.cpus", "cpuset cpus", "cpuset.cpus", format_cpus, parse_cpus,
		ROW_INHERITED, NULL, NULL},
	{CTL_CPUSET, "cpuset.mems", "cpuset mems", "cpuset.mems", format_mems, parse_mems,
		ROW_INHERITED, NULL, NULL},
	{CTL_PIDS, "pids.max", "pids limit", NULL, format_pids, parse_pids, 0, NULL, NULL},
	/* CFQ's, with CFQ_WEIGHT_LEGACY_DFL, and since Linux 5.0 BFQ's. */
	{CTL_IO, "blkio.weight", "blkio weight", NULL, format_blkio, parse_blkio, ROW_OR_NEXT, NULL,
		"500"},
	{CTL_IO, "blkio.bfq.weight", "blkio weight", NULL, format_blkio, parse_blkio, 0, no_weight,
		"100"},
	{CTL_IO, "blkio.bfq.weight_device", "blkio-weight-device", NULL, format_bfq_weights,
		parse_bfq_weights, ROW_DISKS, no_disk_weights, NULL},
	{CTL_IO, "blkio.throttle.read_bps_device", "device-read-bps", NULL, format_read_bps,
		parse_read_bps, ROW_DISKS, no_rates, NULL},
	{CTL_IO, "blkio.throttle.write_bps_device", "device-write-bps", NULL, format_write_bps,
		parse_write_bps, ROW_DISKS, no_rates, NULL},
	{CTL_IO, "blkio.throttle.read_iops_device", "device-read-iops", NULL, format_read_iops,
		parse_read_iops, ROW_DISKS, no_rates, NULL},
	{CTL_IO, "blkio.throttle.write_iops_device", "device-write-iops", NULL, format_write_iops,
		parse_write_iops, ROW_DISKS, no_rates, NULL},
	/* clang-format off */
	HUGEPAGES(v1, "limit_in_bytes", "-1", 64KB)
	HUGEPAGES(v1, "limit_in_bytes", "-1", 2MB)
	HUGEPAGES(v1, "limit_in_bytes", "-1", 32MB)
	HUGEPAGES(v1, "limit_in_bytes", "-1", 1GB)
	/* clang-format on */
	{.file = NULL},
};

static const struct limit_row v2[] = {
	{CTL_MEMORY, "memory.max", "memory limit", NULL, format_memory, parse_memory, ROW_KILLS,
		NULL, "max"},
	{CTL_MEMORY, "memory.swap.max", "memory-swap", NULL, format_swap, parse_swap, 0, NULL,
		"max"},
	{CTL_MEMORY, "memory.low", "memory reservation", NULL, format_reservation,
		parse_reservation, 0, NULL, "0"},
	{CTL_MEMORY, "memory.swappiness", "memory swappiness", NULL, format_swappiness,
		parse_swappiness, 0, no_swappiness, NULL},
	{CTL_CPU, "cpu.max", "cpu quota", NULL, format_cpu_max, parse_cpu_max, 0, NULL,
		"max 100000"},
	{CTL_CPU, "cpu.weight", "cpu shares", NULL, format_weight, parse_weight, 0, NULL, "100"},
	{CTL_CPUSET, "cpuset.cpus", "cpuset cpus", "cpuset.cpus.effective", format_cpus, parse_cpus,
		ROW_INHERITED, NULL, NULL},
	{CTL_CPUSET, "cpuset.mems", "cpuset mems", "cpuset.mems.effective", format_mems, parse_mems,
		ROW_INHERITED, NULL, NULL},
	{CTL_PIDS, "pids.max", "pids limit", NULL, format_pids, parse_pids, 0, NULL, NULL},
	/* Of blk-iocost and of BFQ, each for the disks that it has. */
	{CTL_IO, "io.weight", "blkio weight", NULL, format_io_weight, parse_io_weight, ROW_AND_NEXT,
		NULL, "100"},
	{CTL_IO, "io.bfq.weight", "blkio weight", NULL, format_blkio, parse_blkio, 0, no_weight,
		"100"},
	{CTL_IO, "io.bfq.weight", "blkio-weight-device", NULL, format_bfq_weights,
		parse_bfq_weights, ROW_DISKS | ROW_OR_NEXT, NULL, NULL},
	{CTL_IO, "io.weight", "blkio-weight-device", NULL, format_io_weights, parse_io_weights,
		ROW_DISKS, no_disk_weights, NULL},
	{CTL_IO, "io.max", "device rates", NULL, format_io_max, parse_io_max, ROW_DISKS, no_rates,
		NULL},
	/* clang-format off */
	HUGEPAGES(v2, "max", "max", 64KB)
	HUGEPAGES(v2, "max", "max", 2MB)
	HUGEPAGES(v2, "max", "max", 32MB)
	HUGEPAGES(v2, "max", "max", 1GB)
	/* clang-format on */
	{.file = NULL},
};

const struct limit_row *limit_rows(int version)
{
	return version == 1 ? v1 : v2;
}

const struct limit_row *limit_row_memory(int version)
{
	const struct limit_row *row = limit_rows(version);

	while (row->format != format_memory)
		row++;
	return row;
}
