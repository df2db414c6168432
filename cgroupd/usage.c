/* SPDX-License-Identifier: MIT */
/*
 * Counters of cgroups, a row each; see usage.h and, for their files, cgroup-v1/{memory,cpuacct,
 * blkio-controller,pids}.rst, cgroup-v2.rst and accounting/psi.rst. Runs in cgroupd; trusts the
 * kernel's files.
 */
#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "base/num.h"
#include "cgroupd.h"

struct row {
	enum controller controller;
	int version;
	const char *file;
	enum usage_form form;
	const char *key;
	unsigned int scale;
	size_t offset;
};

#define STATE(field) offsetof(struct cgroup_state, field)
static const struct row state_rows[] = {
	{CTL_MEMORY, 1, "memory.oom_control", USAGE_KEY, "oom_kill", 1, STATE(oom_kills)},
	{CTL_MEMORY, 1, "memory.usage_in_bytes", USAGE_NUMBER, NULL, 1, STATE(memory)},
	{CTL_MEMORY, 1, "memory.max_usage_in_bytes", USAGE_NUMBER, NULL, 1, STATE(memory_peak)},
	{CTL_MEMORY, 2, "memory.events", USAGE_KEY, "oom_kill", 1, STATE(oom_kills)},
	{CTL_MEMORY, 2, "memory.current", USAGE_NUMBER, NULL, 1, STATE(memory)},
	{CTL_MEMORY, 2, "memory.peak", USAGE_NUMBER, NULL, 1, STATE(memory_peak)},
	{CTL_CPUACCT, 1, "cpuacct.usage", USAGE_NUMBER, NULL, 1, STATE(cpu_ns)},
	{CTL_CPUACCT, 2, "cpu.stat", USAGE_KEY, "usage_usec", 1000, STATE(cpu_ns)},
	{CTL_PIDS, 1, "pids.current", USAGE_NUMBER, NULL, 1, STATE(pids)},
	{CTL_PIDS, 2, "pids.current", USAGE_NUMBER, NULL, 1, STATE(pids)},
	{CTL_PIDS, 1, "pids.events", USAGE_KEY, "max", 1, STATE(pids_hits)},
	{CTL_PIDS, 2, "pids.events", USAGE_KEY, "max", 1, STATE(pids_hits)},
};

/* Cache that the kernel could let go of is told apart: docker's "memory" is without it. */
#define USE(field) offsetof(struct counters, field)
static const struct row usage_rows[] = {
	{CTL_MEMORY, 1, "memory.usage_in_bytes", USAGE_NUMBER, NULL, 1, USE(memory)},
	{CTL_MEMORY, 1, "memory.max_usage_in_bytes", USAGE_NUMBER, NULL, 1, USE(memory_peak)},
	{CTL_MEMORY, 1, "memory.stat", USAGE_KEY, "total_inactive_file", 1, USE(memory_cache)},
	{CTL_MEMORY, 1, "memory.oom_control", USAGE_KEY, "oom_kill", 1, USE(oom_kills)},
	{CTL_MEMORY, 2, "memory.current", USAGE_NUMBER, NULL, 1, USE(memory)},
	{CTL_MEMORY, 2, "memory.peak", USAGE_NUMBER, NULL, 1, USE(memory_peak)},
	{CTL_MEMORY, 2, "memory.stat", USAGE_KEY, "inactive_file", 1, USE(memory_cache)},
	{CTL_MEMORY, 2, "memory.events", USAGE_KEY, "oom_kill", 1, USE(oom_kills)},
	{CTL_CPUACCT, 1, "cpuacct.usage", USAGE_NUMBER, NULL, 1, USE(cpu_ns)},
	{CTL_CPUACCT, 2, "cpu.stat", USAGE_KEY, "usage_usec", 1000, USE(cpu_ns)},
	{CTL_CPU, 1, "cpu.stat", USAGE_KEY, "throttled_time", 1, USE(throttled_ns)},
	{CTL_CPU, 2, "cpu.stat", USAGE_KEY, "throttled_usec", 1000, USE(throttled_ns)},
	{CTL_PIDS, 1, "pids.current", USAGE_NUMBER, NULL, 1, USE(pids)},
	{CTL_PIDS, 2, "pids.current", USAGE_NUMBER, NULL, 1, USE(pids)},
	{CTL_PIDS, 1, "pids.events", USAGE_KEY, "max", 1, USE(pids_hits)},
	{CTL_PIDS, 2, "pids.events", USAGE_KEY, "max", 1, USE(pids_hits)},
	{CTL_IO, 1, "blkio.throttle.io_service_bytes", USAGE_SUM, "Read", 1, USE(read_bytes)},
	{CTL_IO, 1, "blkio.throttle.io_service_bytes", USAGE_SUM, "Write", 1, USE(write_bytes)},
	{CTL_IO, 2, "io.stat", USAGE_SUM_EQ, "rbytes", 1, USE(read_bytes)},
	{CTL_IO, 2, "io.stat", USAGE_SUM_EQ, "wbytes", 1, USE(write_bytes)},
	/* v1 groups have none: a host that is on v1 has that of the whole machine alone. */
	{CTL_CPUACCT, 2, "cpu.pressure", USAGE_PRESSURE, NULL, 1, USE(cpu_pressure)},
	{CTL_MEMORY, 2, "memory.pressure", USAGE_PRESSURE, NULL, 1, USE(memory_pressure)},
	{CTL_IO, 2, "io.pressure", USAGE_PRESSURE, NULL, 1, USE(io_pressure)},
};

/* The number that starts here and ends with its word. */
static int number_at(const char *p, uint64_t *ret)
{
	char word[24];
	size_t n = strspn(p, "0123456789");

	if (n == 0 || n >= sizeof(word) || !strchr(" \n", p[n]))
		return -EBADMSG;
	memcpy(word, p, n);
	word[n] = '\0';
	return num_parse_u64(word, 0, UINT64_MAX, ret) < 0 ? -EBADMSG : 0;
}

static const char *next_line(const char *p)
{
	p += strcspn(p, "\n");
	return *p ? p + 1 : p;
}

static int find_key(const char *key, const char *text, uint64_t *ret)
{
	size_t n = strlen(key);

	for (; *text; text = next_line(text))
		if (strncmp(text, key, n) == 0 && text[n] == ' ')
			return number_at(text + n + 1, ret);
	return -EBADMSG;
}

/* Adds up what stands behind " key" and `mark`; a line without it adds nothing. */
static int find_sum(const char *key, char mark, const char *text, uint64_t *ret)
{
	size_t n = strlen(key);
	uint64_t sum = 0, v;

	for (; *text; text = next_line(text)) {
		size_t end = strcspn(text, "\n");

		for (const char *p = text; (size_t)(p - text) < end; p++)
			if (*p == ' ' && strncmp(p + 1, key, n) == 0 && p[n + 1] == mark) {
				if (number_at(p + n + 2, &v) < 0)
					return -EBADMSG;
				sum += v;
			}
	}
	*ret = sum;
	return 0;
}

/* "some avg10=1.23 avg60=…": always two digits behind the point (psi_show). */
static int find_pressure(const char *text, uint64_t *ret)
{
	static const char start[] = "some avg10=";
	char digits[8];
	size_t n = 0;

	if (strncmp(text, start, strlen(start)) != 0)
		return -EBADMSG;
	for (const char *p = text + strlen(start); *p && *p != ' '; p++)
		if (*p != '.' && n < sizeof(digits) - 1)
			digits[n++] = *p;
	digits[n] = '\0';
	n = strspn(digits, "0");
	if (digits[n] == '\0' && n > 0)
		n--;
	return num_parse_u64(digits + n, 0, 10000, ret) < 0 ? -EBADMSG : 0;
}

int usage_find(enum usage_form form, const char *key, const char *text, uint64_t *ret)
{
	switch (form) {
	case USAGE_NUMBER:
		return number_at(text, ret);
	case USAGE_KEY:
		return find_key(key, text, ret);
	case USAGE_SUM:
		return find_sum(key, ' ', text, ret);
	case USAGE_SUM_EQ:
		return find_sum(key, '=', text, ret);
	case USAGE_PRESSURE:
		return find_pressure(text, ret);
	}
	return -EBADMSG;
}

int usage_number(int dirfd, const char *path, const char *key, uint64_t *ret)
{
	char text[CONTROL_MAX];
	int r = group_read_control(dirfd, path, text);

	return r < 0 ? r : usage_find(key ? USAGE_KEY : USAGE_NUMBER, key, text, ret);
}

/* Rows of one file stand together: it is read once. */
static bool read_rows(
	const struct tree *t, const char *id, const struct row *rows, size_t n, void *ret)
{
	const char *file = NULL;
	char text[CONTROL_MAX];
	bool found = false;
	int r = -ENOENT;

	for (size_t i = 0; i < n; i++) {
		const struct branch *b = tree_find(t, rows[i].controller);
		char path[GROUP_PATH_MAX];
		uint64_t v;

		if (!b || b->version != rows[i].version)
			continue;
		if (!file || strcmp(file, rows[i].file) != 0)
			r = group_read_control(
				b->base_fd, group_path(path, id, rows[i].file), text);
		file = rows[i].file;
		if (r < 0 || usage_find(rows[i].form, rows[i].key, text, &v) < 0)
			continue;
		found = true;
		v *= rows[i].scale;
		memcpy((char *)ret + rows[i].offset, &v, sizeof(v));
	}
	return found;
}

bool usage_read(const struct tree *t, const char *id, struct cgroup_state *ret)
{
	return read_rows(t, id, state_rows, ARRAY_LEN(state_rows), ret);
}

bool usage_read_all(const struct tree *t, const char *id, struct counters *ret)
{
	const struct branch *b = tree_find(t, CTL_CPUACCT);

	ret->has_pressure = b && b->version == 2;
	ret->taken_at = time_mono_ns();
	return read_rows(t, id, usage_rows, ARRAY_LEN(usage_rows), ret);
}

void on_cgroup_usage(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_usage *m = msg;
	struct cgroupd *d = self;
	struct limits_owned in_force = {0};
	struct counters usage = {0};
	struct cgroup_usage_is reply = {.usage = &usage, .in_force = &in_force.limits};
	struct err e = {0};
	int r = group_check_id(m->container, &e);

	(void)f;
	if (r == 0 && !usage_read_all(&d->tree, m->container, &usage))
		r = err_set(&e, ENOENT, "no cgroup of container %s", m->container);
	if (r == 0)
		r = group_read_limits(&d->tree, m->container, &in_force, &e);
	in_force.limits.memory = r < 0 ? 0 : group_memory_limit(&d->tree, m->container);
	if (r < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_cgroup_usage_is, &reply);
}
