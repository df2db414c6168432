/* SPDX-License-Identifier: MIT */
/*
 * Updates of containers that there are: what limits become with one (pure, update_merge.c), and
 * what becomes of one that failed or wasn't answered (update.c).
 */
#pragma once

#include "messages.h"

struct ctr;
struct engine;

#define UPDATE_RATES_MAX 16 /* the bound of limits.io */
#define UPDATE_PAGES_MAX 4  /* and of limits.hugepages */
struct update_room {
	struct io_rate rates[UPDATE_RATES_MAX];
	struct hugepage_limit pages[UPDATE_PAGES_MAX];
};
/* Adds to `to` what `more` says; room is where its lists lie then. */
int update_merge(
	struct limits *to, const struct limits *more, struct update_room *room, struct err *e);
/* Before that: takes those limits away. */
int update_lift(struct limits *to, const struct strv *names, struct err *e);
/* The limits of before, in *to, become what takes back `tried` too, which has all that they have;
 * lists are in *room then. */
void update_undo(struct limits *to, const struct limits *tried, struct update_room *room);
/* Of a record: a rate of -1 is none. A later start's disk may be gone. */
void update_forget_lifted(struct create *o);

/* cgroupd is there again: what it did not answer is taken back. */
void updates_go_on(struct engine *g);
/* What a predecessor of this process tried and didn't settle. */
int update_restore(struct ctr *c, const struct limits *tried, struct err *e);
/* A new run has never had what was tried. */
void update_forget_due(struct ctr *c);
