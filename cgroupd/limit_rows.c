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

static const struct limit_row v1[] = {
	{CTL_MEMORY, "memory.limit_in_bytes", "memory limit", NULL, format_memory, parse_memory,
		true},
	{CTL_MEMORY, "memory.memsw.limit_in_bytes", "memory-swap", NULL, format_memsw, parse_memsw,
		false},
	{CTL_MEMORY, "memory.soft_limit_in_bytes", "memory reservation", NULL, format_reservation,
		parse_reservation, false},
	{CTL_CPU, "cpu.cfs_period_us", "cpu period", NULL, format_period, parse_period, false},
	{CTL_CPU, "cpu.cfs_quota_us", "cpu quota", NULL, format_quota, parse_quota, false},
	{CTL_CPU, "cpu.shares", "cpu shares", NULL, format_shares, parse_shares, false},
	{CTL_CPUSET, "cpuset.cpus", "cpuset cpus", "cpuset.cpus", format_cpus, parse_cpus, false},
	{CTL_CPUSET, "cpuset.mems", "cpuset mems", "cpuset.mems", format_mems, parse_mems, false},
	{CTL_PIDS, "pids.max", "pids limit", NULL, format_pids, parse_pids, false},
	{.file = NULL},
};

static const struct limit_row v2[] = {
	{CTL_MEMORY, "memory.max", "memory limit", NULL, format_memory, parse_memory, false},
	{CTL_MEMORY, "memory.swap.max", "memory-swap", NULL, format_swap, parse_swap, false},
	{CTL_MEMORY, "memory.low", "memory reservation", NULL, format_reservation,
		parse_reservation, false},
	{CTL_CPU, "cpu.max", "cpu quota", NULL, format_cpu_max, parse_cpu_max, false},
	{CTL_CPU, "cpu.weight", "cpu shares", NULL, format_weight, parse_weight, false},
	{CTL_CPUSET, "cpuset.cpus", "cpuset cpus", "cpuset.cpus.effective", format_cpus, parse_cpus,
		false},
	{CTL_CPUSET, "cpuset.mems", "cpuset mems", "cpuset.mems.effective", format_mems, parse_mems,
		false},
	{CTL_PIDS, "pids.max", "pids limit", NULL, format_pids, parse_pids, false},
	{.file = NULL},
};

const struct limit_row *limit_rows(int version)
{
	return version == 1 ? v1 : v2;
}
