/* SPDX-License-Identifier: MIT */
/*
 * What containers use of what they may, by the kernel's counters.
 */
#pragma once

#include "chan.h"
#include "group.h"

/* Where a number stands in the text of a file. */
enum usage_form {
	USAGE_NUMBER,	/* the text is the number */
	USAGE_KEY,	/* "key number" at the start of a line */
	USAGE_SUM,	/* the sum over "254:0 key number" */
	USAGE_SUM_EQ,	/* the sum over "254:0 … key=number …" */
	USAGE_PRESSURE, /* hundredths of a percent of "some avg10=0.12 …" */
};
/* 0, or -EBADMSG. A sum over no line is 0. */
int usage_find(enum usage_form form, const char *key, const char *text, uint64_t *ret);
/* One number out of a control file, by the word before it; NULL: the file is the number. 0, -errno,
 * or -EBADMSG. */
int usage_number(int dirfd, const char *path, const char *key, uint64_t *ret);

/* Fills in the numbers of *ret that this host has; what is gone stays 0. True when there is a
 * group. */
bool usage_read(const struct tree *t, const char *id, struct cgroup_state *ret);
/* The same of all that `stats` tells. */
bool usage_read_all(const struct tree *t, const char *id, struct counters *ret);

void on_cgroup_usage(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f);
