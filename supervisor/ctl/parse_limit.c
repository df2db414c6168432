/* SPDX-License-Identifier: MIT */
/*
 * Limits from the command line; see parse.h. Nothing is rounded: a value that can't be had exactly
 * is refused.
 */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/range.h"
#include "base/util.h"

#define MEMORY_MIN (6U << 20) /* docker's: less can't hold a process */
#define CPU_PERIOD 100000U    /* of --cpus: the kernel's default */
#define CPU_STEP   10000U     /* 0.01 in millionths */

/* What the kernel holds; cgroupd, which has more to say of each, checks again. As in docker, 0 is
 * not set. */
static const struct range cpu_period = {" microseconds", 1000, 1000000, 1};
static const struct range cpu_quota = {" microseconds", 1000, (1ULL << 44) - 1, 1};
static const struct range cpu_shares = {"", 2, 262144, 1};
static const struct range blkio_weight = {"", 10, 1000, 1};
static const struct range swappiness = {"", 0, 100, 1};
static const struct range pids = {"", 0, 4194304, 1};

int parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = s[0] == '-';
	uint64_t v;
	int64_t n;

	if (num_parse_u64(s + negative, 0, INT64_MAX, &v) < 0)
		return -EINVAL;
	n = negative ? -(int64_t)v : (int64_t)v;
	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int parse_octal(const char *s, uint32_t max, uint32_t *ret)
{
	uint32_t v = 0;

	if (!*s || strlen(s) > 7)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return -EINVAL;
		v = v * 8 + (uint32_t)(*s - '0');
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_bytes(const char *s, uint64_t min, uint64_t *ret, struct err *e)
{
	int r = parse_bytes_any(s, ret, e);

	if (r < 0)
		return r;
	if (*ret > INT64_MAX)
		return err_set(e, EINVAL, "\"%.32s\" is too large", s);
	if (*ret < min)
		return err_set(e, EINVAL, "\"%.32s\" is less than the least possible, 1", s);
	return 0;
}

int parse_bytes_any(const char *s, uint64_t *ret, struct err *e)
{
	int r = num_parse_size(s, ret);

	if (r == -ERANGE) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (r == -EDOM)
		return err_set(
			e, EINVAL, "\"%.32s\" has more than three digits behind the point", s);
	if (r < 0)
		return err_set(e, EINVAL, "\"%.32s\" is no size: a number with b, k, m or g", s);
	return 0;
}

/* -1 is no limit, also where docker has it for memory and swap together alone: its users ask for
 * it, who have no other way to take a memory limit away. */
static int check_pages(const char *s, uint64_t min, struct err *e)
{
	const struct range r = range_pages(min);
	char asked[64];
	uint64_t v;

	if (strcmp(s, "-1") == 0)
		return 0;
	snprintf(asked, sizeof(asked), "\"%.32s\"", s);
	if (parse_bytes_any(s, &v, e) < 0)
		return -EINVAL;
	return v ? range_check(&r, asked, v, e) : 0;
}

int check_memory(const char *s, struct err *e)
{
	return check_pages(s, MEMORY_MIN, e);
}

int check_memory_swap(const char *s, struct err *e)
{
	return check_pages(s, 0, e);
}

int check_shm_size(const char *s, struct err *e)
{
	uint64_t v;

	return parse_bytes(s, 1, &v, e);
}

/* 0 is no limit, as in docker. */
static int parse_cpus(const char *s, uint64_t *ret_hundredths, struct err *e)
{
	const struct range steps = {"", CPU_STEP, 8192ULL * 100 * CPU_STEP, CPU_STEP};
	uint64_t v;
	int r = num_parse_millionths(s, &v);

	if (r == -EINVAL)
		return err_set(e, EINVAL, "\"%.32s\" is no number of CPUs", s);
	if (r == -ERANGE || v > steps.max)
		return err_set(e, EINVAL, "\"%.32s\" is more CPUs than Linux can have, 8192", s);
	*ret_hundredths = range_nearest(&steps, v) / CPU_STEP;
	if (r < 0 || v % CPU_STEP != 0)
		return err_set(e, EINVAL,
			"\"%.32s\": CPUs come in steps of 0.01, the nearest is %" PRIu64
			".%02" PRIu64,
			s, *ret_hundredths / 100, *ret_hundredths % 100);
	*ret_hundredths = v / CPU_STEP;
	return 0;
}

int check_cpus(const char *s, struct err *e)
{
	uint64_t v;

	return parse_cpus(s, &v, e);
}

/* A number, 0, or -1 where that is none of a limit; `no` says what it should have been. */
static int check_held(
	const char *s, bool unlimited, const struct range *r, const char *no, struct err *e)
{
	char asked[64];
	uint64_t v;
	int k = num_parse_u64(s, 0, UINT64_MAX, &v);

	if (unlimited && strcmp(s, "-1") == 0)
		return 0;
	if (k == -ERANGE)
		v = UINT64_MAX;
	else if (k < 0)
		return err_set(e, EINVAL, "\"%.32s\" is no %s", s, no);
	snprintf(asked, sizeof(asked), "\"%.32s\"", s);
	return v ? range_check(r, asked, v, e) : 0;
}

int check_cpu_period(const char *s, struct err *e)
{
	return check_held(s, false, &cpu_period, "period: 1000 to 1000000 microseconds", e);
}

int check_cpu_quota(const char *s, struct err *e)
{
	return check_held(s, true, &cpu_quota, "quota: at least 1000 microseconds, or -1", e);
}

int check_cpu_shares(const char *s, struct err *e)
{
	return check_held(s, false, &cpu_shares, "share: 2 to 262144", e);
}

/* One part of a list: 3 or 0-2; returns what follows, or NULL. */
static const char *cpuset_part(const char *s)
{
	char number[8];
	uint32_t v[2] = {0};

	for (int i = 0; i < 2; i++) {
		size_t n = strspn(s, "0123456789");

		snprintf(number, sizeof(number), "%.*s", (int)MIN(n, sizeof(number) - 1), s);
		if (num_parse_u32(number, 0, 65535, &v[i]) < 0)
			return NULL;
		s += n;
		if (i == 0 && *s != '-')
			return s;
		s += i == 0;
	}
	return v[0] <= v[1] ? s : NULL;
}

int check_cpuset(const char *s, struct err *e)
{
	const char *p = s;

	if (!*s)
		return 0; /* as in docker, not set */
	do {
		p = cpuset_part(p);
	} while (p && *p == ',' && p++);
	if (!p || *p || strlen(s) > 255)
		return err_set(e, EINVAL, "\"%.64s\" is no list such as 0-2,5", s);
	return 0;
}

int check_swappiness(const char *s, struct err *e)
{
	return check_held(s, true, &swappiness, "swappiness: 0 to 100, or -1", e);
}

int check_blkio_weight(const char *s, struct err *e)
{
	return check_held(s, false, &blkio_weight, "weight: 10 to 1000", e);
}

int check_pids(const char *s, struct err *e)
{
	return check_held(s, true, &pids, "number of processes: 1 to 4194304, or -1", e);
}

int check_umask(const char *s, struct err *e)
{
	uint32_t v;

	return parse_octal(s, 0777, &v) < 0
		       ? err_set(e, EINVAL, "\"%.32s\" is no umask: octal, 0 to 0777", s)
		       : 0;
}

int check_oom_score(const char *s, struct err *e)
{
	int64_t v;

	return parse_i64(s, -1000, 1000, &v) < 0
		       ? err_set(e, EINVAL, "\"%.32s\" is no score: -1000 to 1000", s)
		       : 0;
}

int check_stop_timeout(const char *s, struct err *e)
{
	int64_t v;

	return parse_i64(s, -1, 86400, &v) < 0
		       ? err_set(e, EINVAL, "\"%.32s\" is no time: 0 to 86400 seconds, or -1", s)
		       : 0;
}

static int parse_rlim(const char *s, uint64_t *ret)
{
	if (strcmp(s, "-1") == 0 || strcmp(s, "unlimited") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return num_parse_u64(s, 0, INT64_MAX, ret);
}

static bool is_rlimit(const char *name)
{
	static const char *const known[] = {"as", "core", "cpu", "data", "fsize", "locks",
		"memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
		"sigpending", "stack"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	return false;
}

int parse_ulimit(const char *s, struct arena *a, struct ulimit *ret, struct err *e)
{
	char *name = arena_strdup(a, s), *soft, *hard;

	if (!name)
		return err_set(e, ENOMEM, "out of memory");
	soft = strchr(name, '=');
	if (soft)
		*soft++ = '\0';
	if (!is_rlimit(name))
		return err_set(e, EINVAL, "\"%.32s\": there is no such limit", name);
	hard = soft ? strchr(soft, ':') : NULL;
	if (hard)
		*hard++ = '\0';
	if (!soft || parse_rlim(soft, &ret->soft) < 0 || (hard && parse_rlim(hard, &ret->hard) < 0))
		return err_set(e, EINVAL, "\"%.64s\" is no limit: name=soft[:hard]", s);
	if (!hard)
		ret->hard = ret->soft;
	if (ret->soft > ret->hard)
		return err_set(e, EINVAL, "\"%.64s\": the soft limit is above the hard one", s);
	ret->name = name;
	return 0;
}

int check_ulimit(const char *s, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct ulimit u;

	return parse_ulimit(s, &a, &u, e);
}

static int memory_limits(const struct limit_words *w, struct limits *ret, struct err *e)
{
	uint64_t total = 0;

	if (w->memory)
		(void)num_parse_size(w->memory, &ret->memory);
	if (w->memory_reservation)
		(void)num_parse_size(w->memory_reservation, &ret->memory_reservation);
	if (ret->memory && ret->memory_reservation > ret->memory)
		return err_set(e, EINVAL, "--memory-reservation is above --memory");
	if (w->memory_swap && strcmp(w->memory_swap, "-1") == 0)
		ret->memory_swap = -1;
	else if (w->memory_swap)
		(void)num_parse_size(w->memory_swap, &total);
	if (total == 0)
		return 0;
	if (!ret->memory && !w->update)
		return err_set(e, EINVAL, "--memory-swap needs --memory");
	if (total < ret->memory)
		return err_set(e, EINVAL,
			"--memory-swap is memory and swap together: not less than --memory");
	ret->memory_swap = (int64_t)total;
	return 0;
}

static int cpu_limits(const struct limit_words *w, struct limits *ret, struct err *e)
{
	uint64_t hundredths = 0;

	if (w->cpus && parse_cpus(w->cpus, &hundredths, e) < 0)
		return -EINVAL;
	if (w->host_cpus && hundredths > 100ULL * w->host_cpus)
		return err_set(e, EINVAL, "--cpus %.32s: this host has %u, the nearest is %u",
			w->cpus, w->host_cpus, w->host_cpus);
	if (w->cpu_period)
		(void)num_parse_u64(w->cpu_period, 0, INT64_MAX, &ret->cpu_period);
	if (w->cpu_quota)
		(void)parse_i64(w->cpu_quota, -1, INT64_MAX, &ret->cpu_quota);
	if (hundredths && (ret->cpu_period || ret->cpu_quota))
		return err_set(e, EINVAL,
			"--cpus already is a quota: not with --cpu-period or --cpu-quota");
	if (hundredths) {
		ret->cpus = true;
		ret->cpu_period = CPU_PERIOD;
		ret->cpu_quota = (int64_t)(hundredths * (CPU_PERIOD / 100));
	}
	if (w->cpu_shares)
		(void)num_parse_u64(w->cpu_shares, 0, INT64_MAX, &ret->cpu_shares);
	ret->cpuset_cpus = w->cpuset_cpus && *w->cpuset_cpus ? w->cpuset_cpus : NULL;
	ret->cpuset_mems = w->cpuset_mems && *w->cpuset_mems ? w->cpuset_mems : NULL;
	return 0;
}

static bool is_any(const struct limits *l)
{
	return l->memory || l->memory_swap || l->memory_reservation || l->cpu_quota ||
	       l->cpu_period || l->cpu_shares || l->cpuset_cpus || l->cpuset_mems || l->pids ||
	       l->swappiness_set || l->blkio_weight || l->io.n || l->hugepages.n;
}

int parse_limits(const struct limit_words *w, struct arena *a, struct limits *ret, bool *ret_any,
	struct err *e)
{
	int r;

	*ret = (struct limits){0};
	if (memory_limits(w, ret, e) < 0 || cpu_limits(w, ret, e) < 0)
		return -EINVAL;
	if (w->pids)
		(void)parse_i64(w->pids, -1, 4194304, &ret->pids);
	if (w->pids && ret->pids == 0)
		ret->pids = -1;
	ret->swappiness_set = w->swappiness && strcmp(w->swappiness, "-1") != 0;
	if (ret->swappiness_set)
		(void)num_parse_u64(w->swappiness, 0, 100, &ret->swappiness);
	if (w->blkio_weight)
		(void)num_parse_u64(w->blkio_weight, 0, 1000, &ret->blkio_weight);
	r = parse_rates(w, a, ret, e);
	if (r == 0)
		r = parse_hugepages(&w->hugepages, a, ret, e);
	*ret_any = is_any(ret);
	return r;
}
