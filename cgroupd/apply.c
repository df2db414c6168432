/* SPDX-License-Identifier: MIT */
/*
 * Sets limits; see apply.h. All that is to be written is known, and known to have a file, before
 * the first is. Runs in cgroupd; trusts the kernel's files.
 */
#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "io_rate.h"
#include "usage.h"

#define CHANGES_MAX 32 /* no version has as many rows */

struct change {
	const struct branch *b;
	const struct limit_row *row;
	char *want, *was;
};

struct changes {
	const char *id;
	const struct limits *limits;
	bool anew; /* what `limits` doesn't have is taken away */
	struct change v[CHANGES_MAX];
	unsigned int n;
};

static void changes_free(struct changes *all)
{
	for (unsigned int i = 0; i < all->n; i++) {
		free(all->v[i].want);
		free(all->v[i].was);
	}
}

/* A cpuset may hold only what the parent has. v1 refuses more, v2 would take it and not obey it. */
static int check_offer(const struct branch *b, const char *id, const struct limit_row *row,
	const char *text, struct err *e)
{
	char path[GROUP_PATH_MAX], offer[CONTROL_MAX];
	bool sliced = id && strchr(id, '/');
	int r;

	if (!row->offer)
		return 0;
	r = group_read_control(
		b->base_fd, sliced ? group_parent_path(path, id, row->offer) : row->offer, offer);
	if (r < 0)
		return err_errno(e, r, "%s", row->offer);
	if (limits_list_within(text, offer) == 1)
		return 0;
	return err_set(e, EINVAL, "%s %.64s: this %s has %.64s", row->what, text,
		sliced ? "slice" : "host", offer);
}

static bool has_file(const struct branch *b, const char *id, const struct limit_row *row)
{
	char path[GROUP_PATH_MAX];
	struct stat st;

	return fstatat(b->base_fd, group_path(path, id, row->file), &st, 0) == 0;
}

static int add(struct changes *all, const struct branch *b, const struct limit_row *row,
	const char *text, struct err *e)
{
	char path[GROUP_PATH_MAX], was[CONTROL_MAX];
	struct change *c = &all->v[all->n];
	int r = check_offer(b, all->id, row, text, e);

	if (r < 0)
		return r;
	if (all->n == CHANGES_MAX)
		return err_set(e, E2BIG, "too many limits");
	if (row->lacking && !has_file(b, all->id, row))
		return err_set(e, EOPNOTSUPP, "%s: %s", row->what, row->lacking);
	r = group_read_control(b->base_fd, group_path(path, all->id, row->file), was);
	if (r < 0)
		return err_errno(e, r, "%s: reading %s", row->what, row->file);
	/* v2: empty, and it can't be again while somebody is in it (ENOSPC in validate_change). */
	if (!*was)
		group_read_parents(b, all->id, row, was);
	*c = (struct change){b, row, strdup(text), strdup(was)};
	all->n++;
	return c->want && c->was ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* What takes a limit away: a word of the row's, or what the parent has; NULL when neither is. */
static const char *lifted(const struct branch *b, const char *id, const struct limit_row *row,
	char parents[CONTROL_MAX])
{
	char path[GROUP_PATH_MAX], own[CONTROL_MAX];

	if (row->none)
		return has_file(b, id, row) ? row->none : NULL;
	if (!group_read_parents(b, id, row, parents) || strlen(parents) >= LIMIT_TEXT_MAX ||
		group_read_control(b->base_fd, group_path(path, id, row->file), own) < 0)
		return NULL;
	return *own && strcmp(own, parents) != 0 ? parents : NULL; /* v2: empty is the parent's */
}

/* The text to write; false when the file is to stay as it is. */
static bool wanted(const struct changes *all, const struct branch *b, const struct limit_row *row,
	char text[LIMIT_TEXT_MAX])
{
	char parents[CONTROL_MAX];
	const char *none;

	if (row->format(all->limits, text))
		return true;
	none = all->anew ? lifted(b, all->id, row, parents) : NULL;
	if (none)
		strcpy(text, none);
	return none != NULL;
}

static int collect(struct changes *all, const struct tree *t, const struct branch *b, struct err *e)
{
	for (const struct limit_row *row = limit_rows(b->version); row->file; row++) {
		char text[LIMIT_TEXT_MAX];

		if (tree_find(t, row->controller) != b || !wanted(all, b, row, text) ||
			(row->how & (ROW_OR_NEXT | ROW_AND_NEXT) && !has_file(b, all->id, row)))
			continue;
		if (add(all, b, row, text, e) < 0)
			return -e->code;
		if (row->how & ROW_OR_NEXT ||
			(row->how & ROW_AND_NEXT && !has_file(b, all->id, row + 1)))
			row++;
	}
	return 0;
}

static int too_full(const struct change *c, int n, const char *text, struct err *e)
{
	return err_set(
		e, EBUSY, "%s: the container holds more than %.*s by now", c->row->what, n, text);
}

static int write_line(const struct change *c, int fd, const char *line, size_t n, struct err *e)
{
	/* Nothing written is no write: an empty cpuset is a newline. */
	if (write(fd, n ? line : "\n", n ? n : 1) >= 0)
		return 0;
	if (errno == EBUSY && c->row->controller == CTL_MEMORY)
		return too_full(c, (int)n, line, e);
	if (errno == ENODEV && c->row->how & ROW_DISKS)
		return err_set(e, ENODEV, "%s: %.*s is not of a whole disk that is there",
			c->row->what, (int)n, line);
	if (errno == EOPNOTSUPP && c->row->how & ROW_DISKS)
		return err_set(e, EOPNOTSUPP,
			"%s: %.*s is of a disk whose scheduler has no weights, as bfq has",
			c->row->what, (int)n, line);
	return err_errno(e, errno, "%s: the kernel refuses %.*s", c->row->what, (int)n, line);
}

static int write_text(
	const struct changes *all, const struct change *c, const char *text, struct err *e)
{
	char path[GROUP_PATH_MAX];
	_cleanup_fd_ int fd = openat(
		c->b->base_fd, group_path(path, all->id, c->row->file), O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, errno, "%s: opening %s", c->row->what, c->row->file);
	for (;;) {
		size_t n = strcspn(text, "\n");
		int r = write_line(c, fd, text, n, e);

		if (r < 0 || !text[n])
			return r;
		text += n + 1;
	}
}

/* v1 refuses a limit below what is held once all has been let go of that can be. v2 takes it and
 * kills (memory_max_write). */
static int make_room(
	const struct changes *all, const struct change *c, const char *text, struct err *e)
{
	char path[GROUP_PATH_MAX], less[24];
	uint64_t want, now;

	if (num_parse_u64(text, 0, UINT64_MAX, &want) < 0)
		return 0; /* max */
	for (int tries = 0;; tries++) {
		group_path(path, all->id, "memory.current");
		if (usage_number(c->b->base_fd, path, NULL, &now) < 0 || now <= want)
			return 0;
		if (tries == 3)
			return too_full(c, (int)strlen(text), text, e);
		snprintf(less, sizeof(less), "%" PRIu64, now - want);
		group_path(path, all->id, "memory.reclaim"); /* since Linux 5.19 */
		if (fd_write_file_at(c->b->base_fd, path, less) == -ENOENT)
			return 0; /* nobody can tell */
	}
}

static int write_one(
	const struct changes *all, const struct change *c, const char *text, struct err *e)
{
	int r = c->row->how & ROW_KILLS ? make_room(all, c, text, e) : 0;

	return r < 0 ? r : write_text(all, c, text, e);
}

/* v1 keeps memory <= memory + swap at every moment (EINVAL, mem_cgroup_resize_max), and what quota
 * and period make together within the slice's share (tg_cfs_schedulable_down): if one can't go
 * first, the other can. */
static int write_change(const struct changes *all, unsigned int i, bool back, struct err *e)
{
	const struct change *c = &all->v[i], *next = i + 1 < all->n ? c + 1 : NULL;
	int r = write_one(all, c, back ? c->was : c->want, e);

	if (r != -EINVAL || !(c->row->how & ROW_NEXT_FIRST) || !next || next->row != c->row + 1)
		return r;
	r = write_one(all, next, back ? next->was : next->want, e);
	return r < 0 ? r : write_one(all, c, back ? c->was : c->want, e);
}

/* Devices that had no rate before are told by no line: all of them lose theirs first. */
static void lift_rates(const struct changes *all, const struct change *c)
{
	struct io_rate v[LIMIT_IO_MAX];
	struct limits lifted = {.io = {v, MIN(all->limits->io.n, (uint32_t)LIMIT_IO_MAX)}};
	char text[LIMIT_TEXT_MAX];

	for (uint32_t i = 0; i < lifted.io.n; i++) {
		v[i] = (struct io_rate){
			.major = all->limits->io.v[i].major, .minor = all->limits->io.v[i].minor};
		io_rate_lift(&v[i]);
	}
	if (c->row->format(&lifted, text))
		write_text(all, c, text, NULL);
}

static void put_back(const struct changes *all)
{
	for (unsigned int i = 0; i < all->n; i++) {
		const struct change *c = &all->v[i];

		if (c->row->how & ROW_DISKS)
			lift_rates(all, c);
		if (*c->was || !(c->row->how & ROW_DISKS))
			write_change(all, i, true, NULL);
	}
}

static int write_all(const struct changes *all, struct limits_owned *r, struct err *e)
{
	for (unsigned int i = 0; i < all->n; i++) {
		int k = write_change(all, i, false, e);

		if (k < 0)
			return k;
	}
	for (unsigned int i = 0; i < all->n; i++) {
		const struct change *c = &all->v[i];
		char path[GROUP_PATH_MAX], now[CONTROL_MAX];
		int k = group_read_control(
			c->b->base_fd, group_path(path, all->id, c->row->file), now);

		if (k < 0)
			return err_errno(e, k, "%s: reading %s", c->row->what, c->row->file);
		k = group_take_in(c->row, now, r, e);
		if (k < 0)
			return k;
	}
	return 0;
}

static int apply(
	const struct tree *t, struct changes *all, bool undo, struct limits_owned *r, struct err *e)
{
	int k = 0;

	*r = (struct limits_owned){0};
	for (unsigned int i = 0; i < t->n && k == 0; i++)
		k = collect(all, t, &t->b[i], e);
	if (k == 0) {
		k = write_all(all, r, e);
		if (k < 0 && undo)
			put_back(all);
	}
	changes_free(all);
	return k;
}

int apply_limits(const struct tree *t, const char *id, const struct limits *l,
	struct limits_owned *r, struct err *e)
{
	struct changes all = {.id = id, .limits = l};
	struct limit_host host;
	int k = apply(t, &all, false, r, e);

	if (k < 0)
		return k;
	group_host(t, &host);
	limits_tidy(r, l, &host);
	return 0;
}

int apply_update(const struct tree *t, const char *id, const struct limits *asked, struct err *e)
{
	struct limits want;
	struct changes all = {.id = id, .limits = &want, .anew = true};
	struct limits_owned r;
	struct limit_host host;
	int k;

	group_host(t, &host);
	k = limits_complete(asked, &host, &want, e);
	return k < 0 ? k : apply(t, &all, true, &r, e);
}

int apply_check(struct tree *t, const struct limits *asked, struct err *e)
{
	char text[LIMIT_TEXT_MAX];
	struct limits want;
	struct limit_host host;
	int r = tree_prepare(t, e);

	if (r < 0)
		return r;
	group_host(t, &host);
	r = limits_complete(asked, &host, &want, e);
	for (unsigned int i = 0; i < t->n && r == 0; i++) {
		const struct branch *b = &t->b[i];

		for (const struct limit_row *row = limit_rows(b->version); row->file && r == 0;
			row++)
			if (tree_find(t, row->controller) == b && row->format(&want, text))
				r = check_offer(b, NULL, row, text, e);
	}
	return r;
}
