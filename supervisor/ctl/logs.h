/* SPDX-License-Identifier: MIT */
/*
 * A container's log files: `log`, and the older `log.1` and `log.2`, lines in CRI's form:
 *
 *	2026-11-22T19:00:00.123456789Z stdout F text
 *
 * P instead of F: the line goes on in the next record of the same stream. Written by the shim while
 *this reads; bytes of the container, so nothing of it is trusted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct logs_setup {
	uint64_t since, until; /* ns since 1970; 0: all */
	uint64_t tail;	       /* last lines; UINT64_MAX: all */
	bool timestamps;
};

/* One record, pointing into the line it was read from. */
struct record {
	uint64_t time;
	const char *stamp; /* the time as written */
	const char *text;
	size_t stamp_n, text_n;
	bool err; /* of stderr */
	bool partial;
};
/* line[0..n) without its newline. False when it is no record. */
bool record_parse(const char *line, size_t n, struct record *ret);

struct logs;

/* dir is the log directory, borrowed. NULL when memory is out. */
struct logs *logs_open(int dir, const struct logs_setup *setup);
void logs_free(struct logs *l);

/* Prints what has been written since the last call, over rotations: records of stdout to stdout, of
 * stderr to stderr, partial ones joined. 1 when `until` has been reached. */
int logs_print(struct logs *l, struct err *e);

/* Nothing more will be written: what lacks its end is printed too. */
void logs_finish(struct logs *l);
