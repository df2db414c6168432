/* SPDX-License-Identifier: MIT */
/*
 * Inside the reader of pax: its state, and the records that stand before an entry.
 */
#pragma once

#include "pax.h"

struct pax_reader {
	int fd;
	size_t got, at; /* of buf */
	uint64_t left, pad, piece_left;
	uint32_t piece;
	uint64_t position; /* where the next bytes of the entry belong */
	struct pax_piece *pieces;
	struct pax_entry entry;
	bool sparse;
	size_t n_records;
	char name[PAX_PATH_MAX], link[PAX_PATH_MAX];
	char buf[PAX_BUFFER];
	char records[PAX_RECORDS_MAX + 1];
};

/* Digits alone, at most max. */
bool pax_decimal(const char *p, size_t n, uint64_t max, uint64_t *ret);
/* A field of a header: spaces or NULs are behind the digits; empty is 0. */
bool pax_octal(const char *field, size_t width, uint64_t *ret);

/* r->records, into the entry; false when they are damaged. */
bool pax_apply_records(struct pax_reader *r);
