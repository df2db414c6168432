/* SPDX-License-Identifier: MIT */
/*
 * Checks and converts limits. Trusts nothing it is given: a limit that would not hold is refused
 * here or by the kernel, never bent. Runs in cgroupd.
 */
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/range.h"
#include "convert.h"
#include "io_rate.h"
#include "limit_hugepages.h"

#define SET_MEMBERS 8192 /* the largest CONFIG_NR_CPUS */

struct set {
	uint64_t w[SET_MEMBERS / 64];
};

static int parse_member(const char **p, unsigned int *ret)
{
	unsigned int v = 0, digits = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++, digits++) {
		v = v * 10 + (unsigned int)(**p - '0');
		if (v >= SET_MEMBERS)
			return -EINVAL;
	}
	*ret = v;
	return digits ? 0 : -EINVAL;
}

static int parse_set(const char *p, struct set *ret)
{
	*ret = (struct set){0};
	for (;;) {
		unsigned int from, to;

		if (parse_member(&p, &from) < 0)
			return -EINVAL;
		to = from;
		if (*p == '-') {
			p++;
			if (parse_member(&p, &to) < 0 || to < from)
				return -EINVAL;
		}
		for (; from <= to; from++)
			ret->w[from / 64] |= 1ULL << from % 64;
		if (*p == '\0')
			return 0;
		if (*p++ != ',')
			return -EINVAL;
	}
}

int limits_list_within(const char *list, const char *of)
{
	struct set a, b;

	if (parse_set(list, &a) < 0 || parse_set(of, &b) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < ARRAY_LEN(a.w); i++)
		if (a.w[i] & ~b.w[i])
			return 0;
	return 1;
}

static int check_controllers(const struct limits *l, uint32_t have, struct err *e)
{
	const struct {
		bool wanted;
		enum controller c;
		const char *what;
	} needs[] = {
		{l->memory || l->memory_swap || l->memory_reservation || l->swappiness_set,
			CTL_MEMORY, "memory"},
		{l->cpu_quota > 0 || l->cpu_period || l->cpu_shares, CTL_CPU, "cpu"},
		{l->cpuset_cpus || l->cpuset_mems, CTL_CPUSET, "cpuset"},
		{l->pids > 0, CTL_PIDS, "pids"},
		{l->blkio_weight || l->io.n, CTL_IO, "io"},
		{l->hugepages.n, CTL_HUGETLB, "huge page"},
	};

	for (unsigned int i = 0; i < ARRAY_LEN(needs); i++)
		if (needs[i].wanted && !(have & 1U << needs[i].c))
			return err_set(e, EOPNOTSUPP, "%s limit: this host has no %s controller",
				needs[i].what, controller_name(needs[i].c));
	return 0;
}

static int check_number(const char *what, const struct range *r, uint64_t v, struct err *e)
{
	char asked[64];

	if (!v)
		return 0;
	snprintf(asked, sizeof(asked), "%s of %" PRIu64 "%s", what, v, r->unit);
	return range_check(r, asked, v, e);
}

static int check_memory(const struct limits *l, struct err *e)
{
	const struct range size = range_pages(LIMIT_MEMORY_MIN), total = range_pages(0);
	int r = check_number("memory limit", &size, l->memory, e);

	if (r == 0)
		r = check_number("memory reservation", &size, l->memory_reservation, e);
	if (r == 0 && l->memory_swap > 0)
		r = check_number("memory-swap", &total, (uint64_t)l->memory_swap, e);
	if (r < 0)
		return r;
	if (l->memory_reservation > l->memory && l->memory)
		return err_set(e, EINVAL, "memory reservation is above the memory limit");
	if (l->memory_swap < -1)
		return err_set(e, EINVAL, "memory-swap is neither a size nor -1");
	if (l->memory_swap > 0 && !l->memory)
		return err_set(e, EINVAL, "memory-swap needs a memory limit beside it");
	if (l->memory_swap > 0 && (uint64_t)l->memory_swap < l->memory)
		return err_set(e, EINVAL,
			"memory-swap is the total of memory and swap: it can't be below the memory limit");
	return 0;
}

/* 0 is "not asked for" in each. */
static int check_numbers(const struct limits *l, struct err *e)
{
	const struct convert_row *shares = convert_row(CONVERT_SHARES);
	const struct convert_row *blkio = convert_row(CONVERT_BLKIO);
	const struct {
		const char *what;
		struct range range;
		uint64_t v;
	} rows[] = {
		/* min_cfs_quota_period, max_cfs_quota_period and max_cfs_runtime (BW_SHIFT is 20)
		 * in kernel/sched/core.c */
		{"cpu quota", {" us", 1000, (1ULL << 44) - 1, 1},
			l->cpu_quota > 0 ? (uint64_t)l->cpu_quota : 0},
		{"cpu period", {" us", 1000, 1000000, 1}, l->cpu_period},
		{shares->name, {"", shares->v1_min, shares->v1_max, 1}, l->cpu_shares},
		{blkio->name, {"", blkio->v1_min, blkio->v1_max, 1}, l->blkio_weight},
		{"memory swappiness", {"", 0, 100, 1}, l->swappiness},
		/* PIDS_MAX in kernel/cgroup/pids.c */
		{"pids limit", {"", 1, 4194304, 1}, l->pids > 0 ? (uint64_t)l->pids : 0},
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		if (check_number(rows[i].what, &rows[i].range, rows[i].v, e) < 0)
			return -EINVAL;
	if (l->cpu_quota < -1)
		return err_set(e, EINVAL, "cpu quota is neither a time nor -1");
	if (l->pids < -1)
		return err_set(e, EINVAL, "pids limit is neither a number nor -1");
	return 0;
}

static int check_weights(const struct limits *l, struct err *e)
{
	const struct convert_row *row = convert_row(CONVERT_BLKIO);
	const struct range range = {"", row->v1_min, row->v1_max, 1};

	for (uint32_t i = 0; i < l->io.n; i++)
		if (l->io.v[i].weight > 0 && check_number("blkio-weight-device", &range,
						     (uint64_t)l->io.v[i].weight, e) < 0)
			return -EINVAL;
	return 0;
}

static int check_sets(const struct limits *l, struct err *e)
{
	const char *const v[] = {l->cpuset_cpus, l->cpuset_mems};

	for (unsigned int i = 0; i < ARRAY_LEN(v); i++)
		if (v[i] && (strlen(v[i]) >= LIMIT_SET_MAX || limits_list_within(v[i], v[i]) < 0))
			return err_set(e, EINVAL, "cpuset %s \"%.64s\" are not a list like 0-2,5",
				i ? "mems" : "cpus", v[i]);
	return 0;
}

/* Without swap accounting a total holds by itself when it allows no swap and the host has none.
 * Someone could swapon later: then it holds no longer, but the memory limit does. */
static int complete_swap(struct limits *l, const struct limit_host *h, struct err *e)
{
	bool given = l->memory_swap != 0;

	if (l->memory && !given)
		l->memory_swap = l->memory > INT64_MAX / 2 ? -1 : (int64_t)l->memory * 2;
	if (h->swap_accounting)
		return 0;
	if (given && l->memory_swap > 0 && (h->swaps || (uint64_t)l->memory_swap != l->memory))
		return err_set(e, EOPNOTSUPP,
			"memory-swap: this kernel doesn't account swap; boot it with swapaccount=1");
	l->memory_swap = 0;
	return 0;
}

int limits_complete(
	const struct limits *asked, const struct limit_host *h, struct limits *ret, struct err *e)
{
	struct limits l = asked ? *asked : (struct limits){0};
	int r = check_controllers(&l, h->controllers, e);

	if (r == 0)
		r = check_memory(&l, e);
	if (r == 0)
		r = check_numbers(&l, e);
	if (r == 0)
		r = check_weights(&l, e);
	if (r == 0)
		r = check_sets(&l, e);
	if (r == 0)
		r = hugepages_check(&l, e);
	if (r == 0)
		r = complete_swap(&l, h, e);
	if (r < 0)
		return r;
	if (l.pids == 0 && h->controllers & 1U << CTL_PIDS)
		l.pids = LIMIT_PIDS_DEFAULT;
	if (l.cpu_quota > 0 && !l.cpu_period)
		l.cpu_period = LIMIT_PERIOD_DEFAULT;
	*ret = l;
	return 0;
}

/* A device whose last rate is gone. */
static void tidy_rates(struct limits_owned *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->limits.io.n; i++) {
		const struct io_rate *d = &r->io[i];

		if (io_rate_any(d))
			r->io[n++] = *d;
	}
	r->limits.io.n = n;
}

void limits_tidy(struct limits_owned *r, const struct limits *asked, const struct limit_host *h)
{
	struct limits *l = &r->limits;

	if (!l->cpu_quota && l->cpu_period == LIMIT_PERIOD_DEFAULT && !(asked && asked->cpu_period))
		l->cpu_period = 0;
	if (asked && asked->cpu_shares && l->cpu_shares &&
		convert_shares_to_weight(asked->cpu_shares) ==
			convert_shares_to_weight(l->cpu_shares))
		l->cpu_shares = asked->cpu_shares; /* v2 keeps a coarser scale */
	else if (l->cpu_shares == LIMIT_SHARES_DEFAULT)
		l->cpu_shares = 0;
	if (l->memory && !l->memory_swap && !h->swap_accounting && !h->swaps)
		l->memory_swap = (int64_t)l->memory;
	if (!l->memory)
		l->memory_swap = 0;
	if (asked && asked->blkio_weight == LIMIT_IO_WEIGHT_DEFAULT && !l->blkio_weight)
		l->blkio_weight = LIMIT_IO_WEIGHT_DEFAULT;
	tidy_rates(r);
}
