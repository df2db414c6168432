/* SPDX-License-Identifier: MIT */
/*
 * What top prints of a process: ps's words for columns and for sets of them. No ps is run.
 */
#pragma once

#include "codec.h"
#include "table.h"

/* A line of the visit "top" (shim/visit_top.c): these, with tabs between them. */
enum top_field {
	TOP_USER, /* as whom it acts: the name the container has for it, or the number */
	TOP_UID,
	TOP_PID,
	TOP_PPID,
	TOP_PGID,
	TOP_SID,
	TOP_FOREGROUND, /* the process group of its terminal, -1: none */
	TOP_TTY,
	TOP_STATE, /* a letter */
	TOP_NICE,
	TOP_THREADS,
	TOP_SIZE,     /* bytes */
	TOP_RESIDENT, /* bytes */
	TOP_START,    /* ms since 1970 */
	TOP_SPENT,    /* processor time, ms */
	TOP_NAME,
	TOP_COMMAND,
	TOP_FIELDS
};

struct top_row {
	const char *cell[TOP_FIELDS];
	uint64_t now_ms, memory; /* of the host, bytes */
};

struct top_column;

struct top_layout {
	const struct top_column *columns[TABLE_COLUMNS];
	const char *headers[TABLE_COLUMNS];
	uint32_t n;
	bool bare; /* without headers */
};

/* From words as ps takes them, none: -ef. -EINVAL with a sentence. Points into words and arena. */
int top_layout(const struct strv *words, struct arena *a, struct top_layout *ret, struct err *e);
/* -ENOMEM */
int top_header(const struct top_layout *l, struct table *t);
int top_add(const struct top_layout *l, const struct top_row *row, struct table *t);
