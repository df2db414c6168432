/* SPDX-License-Identifier: MIT */
/*
 * What a container's limits become with an update, and what takes one back. Pure.
 */
#include "update.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "io_rate.h"

#define TAKE(field)                                                                                \
	if (more->field)                                                                           \
	to->field = more->field

static struct io_rate *find_rate(const struct limits *l, const struct io_rate *like)
{
	for (uint32_t i = 0; i < l->io.n; i++)
		if (l->io.v[i].major == like->major && l->io.v[i].minor == like->minor)
			return &l->io.v[i];
	return NULL;
}

static int merge_rates(
	struct limits *to, const struct limits *more, struct io_rate *room, struct err *e)
{
	for (uint32_t i = 0; i < to->io.n; i++)
		room[i] = to->io.v[i];
	to->io.v = room;
	for (uint32_t i = 0; i < more->io.n; i++) {
		const struct io_rate *from = &more->io.v[i];
		struct io_rate *r = find_rate(to, from);

		if (!r && to->io.n == UPDATE_RATES_MAX)
			return err_set(e, E2BIG, "rates of more than %d devices", UPDATE_RATES_MAX);
		if (r)
			io_rate_merge(r, from);
		else
			to->io.v[to->io.n++] = *from;
	}
	return 0;
}

static int merge_hugepages(
	struct limits *to, const struct limits *more, struct hugepage_limit *room, struct err *e)
{
	if (more->hugepages.n == 0)
		return 0;
	for (uint32_t i = 0; i < to->hugepages.n; i++)
		room[i] = to->hugepages.v[i];
	to->hugepages.v = room;
	for (uint32_t i = 0; i < more->hugepages.n; i++) {
		uint32_t k = 0;

		while (k < to->hugepages.n && room[k].page != more->hugepages.v[i].page)
			k++;
		if (k == UPDATE_PAGES_MAX)
			return err_set(
				e, E2BIG, "huge pages of more than %d sizes", UPDATE_PAGES_MAX);
		room[k] = more->hugepages.v[i];
		to->hugepages.n = MAX(to->hugepages.n, k + 1);
	}
	return 0;
}

int update_lift(struct limits *to, const struct strv *names, struct err *e)
{
	static const struct {
		const char *name;
		size_t field; /* of 8 bytes; 0 is not set */
	} rows[] = {
		{"memory", offsetof(struct limits, memory)},
		{"memory", offsetof(struct limits, memory_swap)}, /* no total without it */
		{"memory_swap", offsetof(struct limits, memory_swap)},
		{"memory_reservation", offsetof(struct limits, memory_reservation)},
		{"cpu_quota", offsetof(struct limits, cpu_quota)},
		{"cpu_period", offsetof(struct limits, cpu_period)},
		{"cpu_shares", offsetof(struct limits, cpu_shares)},
		{"blkio_weight", offsetof(struct limits, blkio_weight)},
	};

	for (uint32_t i = 0; i < names->n; i++) {
		bool known = false;

		for (unsigned int k = 0; k < ARRAY_LEN(rows); k++) {
			if (strcmp(rows[k].name, names->v[i]) != 0)
				continue;
			memset((char *)to + rows[k].field, 0, sizeof(uint64_t));
			known = true;
		}
		if (!known)
			return err_set(
				e, EINVAL, "no limit called \"%.64s\" can be lifted", names->v[i]);
	}
	return 0;
}

int update_merge(
	struct limits *to, const struct limits *more, struct update_room *room, struct err *e)
{
	int r;

	if (more->memory && !more->memory_swap && to->memory_swap > 0 &&
		(uint64_t)to->memory_swap < more->memory)
		return err_set(e, EINVAL,
			"its memory-swap, the total of memory and swap, is below that: update it at the same time");
	if (to->cpus && to->cpu_quota > 0 && !more->cpus &&
		(more->cpu_quota > 0 || more->cpu_period))
		return err_set(e, EINVAL,
			"its processors are limited by --cpus, which is quota and period: update that, or end it with --cpus 0 first");
	TAKE(memory);
	TAKE(memory_swap);
	TAKE(memory_reservation);
	TAKE(cpu_quota);
	TAKE(cpu_period);
	if (more->cpu_quota)
		to->cpus = more->cpus;
	TAKE(cpu_shares);
	TAKE(cpuset_cpus);
	TAKE(cpuset_mems);
	TAKE(pids);
	TAKE(blkio_weight);
	if (more->swappiness_set) {
		to->swappiness_set = true;
		to->swappiness = more->swappiness;
	}
	if (to->memory && to->memory_reservation > to->memory)
		return err_set(e, EINVAL, "memory reservation is above the memory limit");
	/* As cgroupd has it, which nobody asks while the container is stopped. */
	if (to->memory_swap > 0 && !to->memory)
		return err_set(e, EINVAL, "memory-swap needs a memory limit beside it");
	if (to->memory_swap > 0 && (uint64_t)to->memory_swap < to->memory)
		return err_set(e, EINVAL,
			"memory-swap is the total of memory and swap: it can't be below the memory limit");
	r = merge_rates(to, more, room->rates, e);
	return r < 0 ? r : merge_hugepages(to, more, room->pages, e);
}

void update_undo(struct limits *to, const struct limits *tried, struct update_room *room)
{
	static const struct io_rate none = {0};
	uint32_t k;

	for (uint32_t i = 0; i < tried->io.n; i++) {
		const struct io_rate *old = find_rate(to, &tried->io.v[i]);

		room->rates[i] = tried->io.v[i];
		io_rate_undo(&room->rates[i], old ? old : &none);
	}
	for (uint32_t i = 0; i < tried->hugepages.n; i++) {
		room->pages[i] = tried->hugepages.v[i];
		for (k = 0; k < to->hugepages.n; k++)
			if (to->hugepages.v[k].page == room->pages[i].page)
				break;
		room->pages[i].limit = k < to->hugepages.n ? to->hugepages.v[k].limit : -1;
	}
	to->io.v = room->rates;
	to->io.n = tried->io.n;
	to->hugepages.v = room->pages;
	to->hugepages.n = tried->hugepages.n;
}

void update_forget_lifted(struct create *o)
{
	struct limits *l = o->limits;
	uint32_t n = 0;

	for (uint32_t i = 0; l && i < l->io.n; i++) {
		struct io_rate d = l->io.v[i];

		io_rate_forget_lifted(&d);
		if (io_rate_any(&d))
			l->io.v[n++] = d;
	}
	if (!l)
		return;
	l->io.n = n;
	n = 0;
	for (uint32_t i = 0; i < l->hugepages.n; i++)
		if (l->hugepages.v[i].limit >= 0)
			l->hugepages.v[n++] = l->hugepages.v[i];
	l->hugepages.n = n;
}
