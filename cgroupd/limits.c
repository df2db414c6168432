/* SPDX-License-Identifier: MIT */
/*
 * Checks and converts limits. Trusts nothing it is given: a limit that would not hold is refused
 * here or by the kernel, never bent. Runs in cgroupd.
 */
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define QUOTA_MIN   1000 /* us; min_cfs_quota_period in kernel/sched/core.c */
#define PERIOD_MIN  1000
#define PERIOD_MAX  1000000
#define SHARES_MIN  2 /* v1 bends what lies outside silently: MIN_SHARES, MAX_SHARES */
#define SHARES_MAX  262144
#define WEIGHT_MAX  10000
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

/* runc's and crun's conversion since 2025: it maps 2, 1024 and 262144 to 1, 100 and 10000, so that
 * the two defaults meet. The older linear one gave 1024 shares less than half of the default
 * weight. */
uint64_t limits_shares_to_weight(uint64_t shares)
{
	double l = log2((double)shares), w;

	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	w = ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
	return w < WEIGHT_MAX ? (uint64_t)w : WEIGHT_MAX;
}

/* The least shares whose weight is at least this. */
static uint64_t least_shares(uint64_t weight)
{
	uint64_t low = SHARES_MIN, high = SHARES_MAX + 1;

	while (low < high) {
		uint64_t mid = (low + high) / 2;

		if (mid <= SHARES_MAX && limits_shares_to_weight(mid) < weight)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t limits_weight_to_shares(uint64_t weight)
{
	uint64_t low = least_shares(weight);
	uint64_t v = weight < WEIGHT_MAX ? least_shares(weight + 1) - 1 : SHARES_MAX;

	while ((v & (v - 1)) >= low)
		v &= v - 1;
	return v;
}

static int check_controllers(const struct limits *l, uint32_t have, struct err *e)
{
	const struct {
		bool wanted;
		enum controller c;
		const char *what;
	} needs[] = {
		{l->memory || l->memory_swap || l->memory_reservation, CTL_MEMORY, "memory"},
		{l->cpu_quota > 0 || l->cpu_period || l->cpu_shares, CTL_CPU, "cpu"},
		{l->cpuset_cpus || l->cpuset_mems, CTL_CPUSET, "cpuset"},
		{l->pids > 0, CTL_PIDS, "pids"},
	};

	for (unsigned int i = 0; i < ARRAY_LEN(needs); i++)
		if (needs[i].wanted && !(have & 1U << needs[i].c))
			return err_set(e, EOPNOTSUPP, "%s limit: this host has no %s controller",
				needs[i].what, controller_name(needs[i].c));
	return 0;
}

static int check_memory(const struct limits *l, struct err *e)
{
	if (l->memory && l->memory < LIMIT_MEMORY_MIN)
		return err_set(e, EINVAL,
			"memory limit of %" PRIu64 " bytes is below the least, 6m", l->memory);
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

static int check_cpu(const struct limits *l, struct err *e)
{
	if (l->cpu_quota < -1 || (l->cpu_quota > 0 && l->cpu_quota < QUOTA_MIN))
		return err_set(e, EINVAL,
			"cpu quota of %" PRId64 " us is below the kernel's least, %d us",
			l->cpu_quota, QUOTA_MIN);
	if (l->cpu_period && (l->cpu_period < PERIOD_MIN || l->cpu_period > PERIOD_MAX))
		return err_set(e, EINVAL,
			"cpu period of %" PRIu64 " us is not between %d and %d us", l->cpu_period,
			PERIOD_MIN, PERIOD_MAX);
	if (l->cpu_shares && (l->cpu_shares < SHARES_MIN || l->cpu_shares > SHARES_MAX))
		return err_set(e, EINVAL, "cpu shares of %" PRIu64 " are not between %d and %d",
			l->cpu_shares, SHARES_MIN, SHARES_MAX);
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
		r = check_cpu(&l, e);
	if (r == 0)
		r = check_sets(&l, e);
	if (r == 0)
		r = complete_swap(&l, h, e);
	if (r == 0 && l.pids < -1)
		r = err_set(e, EINVAL, "pids limit is neither a number nor -1");
	if (r < 0)
		return r;
	if (l.pids == 0 && h->controllers & 1U << CTL_PIDS)
		l.pids = LIMIT_PIDS_DEFAULT;
	if (l.cpu_quota > 0 && !l.cpu_period)
		l.cpu_period = LIMIT_PERIOD_DEFAULT;
	*ret = l;
	return 0;
}

void limits_tidy(struct limits_owned *r, const struct limits *asked, const struct limit_host *h)
{
	struct limits *l = &r->limits;

	if (!l->cpu_quota && l->cpu_period == LIMIT_PERIOD_DEFAULT && !(asked && asked->cpu_period))
		l->cpu_period = 0;
	if (asked && asked->cpu_shares && l->cpu_shares &&
		limits_shares_to_weight(asked->cpu_shares) ==
			limits_shares_to_weight(l->cpu_shares))
		l->cpu_shares = asked->cpu_shares; /* v2 keeps a coarser scale */
	else if (l->cpu_shares == LIMIT_SHARES_DEFAULT)
		l->cpu_shares = 0;
	if (l->memory && !l->memory_swap && !h->swap_accounting && !h->swaps)
		l->memory_swap = (int64_t)l->memory;
	if (!l->memory)
		l->memory_swap = 0;
}
