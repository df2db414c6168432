/* SPDX-License-Identifier: MIT */
/*
 * Columns on stdout as docker lays them out, and text of containers made harmless for terminals.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define TABLE_COLUMNS 16

struct table {
	uint32_t columns; /* as many as the first row, the header, has; at most TABLE_COLUMNS */
	uint32_t n;	  /* rows */
	char **cells;	  /* n * columns */
};
void table_free(struct table *t);
#define _cleanup_table_ _cleanup_(table_free)

/* Appends a row to a table that was zeroed; text is copied, control characters become visible.
 * -ENOMEM. */
int table_row(struct table *t, const char *const *cells, uint32_t n);
/* A row from one text with tabs between cells. */
int table_row_text(struct table *t, const char *text);
/* Prints all rows: columns at least 10 wide, 3 spaces between, nothing behind the last. */
void table_print(const struct table *t);

/* Copies text with control characters and broken UTF-8 shown as \x1b, and cut to fit. Returns out.
 */
char *table_visible(const char *text, char *out, size_t size);

/* What a text takes up on a terminal: characters, not bytes. */
size_t table_width(const char *text);

/* docker's words for a time span: "About a minute", "3 hours". */
void table_duration(uint64_t ns, char buf[32]);
