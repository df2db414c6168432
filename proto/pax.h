/* SPDX-License-Identifier: MIT */
/*
 * tar streams as visits and ctl exchange them: POSIX pax with what GNU adds for sparse files, and
 * nothing older. libarchive would do it too, but in a static program of which there is one a
 * container its tables, wide characters and conversions cost each of them 28 kB, and iconv would
 * look for code in whatever root it is in. Names, links and attributes are bytes. Streams block.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

#define PAX_BLOCK	512
#define PAX_BUFFER	65536
#define PAX_PATH_MAX	8192	   /* of a name or a link, with the NUL */
#define PAX_RECORDS_MAX (1U << 20) /* of one entry: attributes, in the main */
#define PAX_PIECES_MAX	(1U << 20) /* of a sparse file */

enum pax_type {
	PAX_FILE = '0',
	PAX_HARDLINK = '1',
	PAX_SYMLINK = '2',
	PAX_CHAR = '3',
	PAX_BLOCK_DEVICE = '4',
	PAX_DIR = '5',
	PAX_FIFO = '6',
};

/* Where a sparse file has data. */
struct pax_piece {
	uint64_t at, n;
};

struct pax_xattr {
	const char *name; /* "user.x" */
	const void *value;
	size_t n;
};
#define PAX_XATTRS_MAX 64

struct pax_entry {
	char type; /* enum pax_type */
	const char *name, *link;
	mode_t mode; /* the lower twelve bits */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	dev_t device;
	uint64_t size;
	const struct pax_piece *pieces; /* NULL: all of it is data. In order, none overlaps */
	uint32_t n_pieces;
	struct pax_xattr xattrs[PAX_XATTRS_MAX];
	uint32_t n_xattrs;
};

/* ---- writing ---- */

struct pax_writer;
struct pax_writer *pax_writer_new(int fd); /* NULL: no memory */
void pax_writer_free(struct pax_writer **w);

/* Then as much by pax_put as the entry has data: its size, or that of its pieces together. */
int pax_put_entry(struct pax_writer *w, const struct pax_entry *x, struct err *e);
int pax_put(struct pax_writer *w, const void *p, size_t n, struct err *e);
/* The end; a stream without it is taken for one that was cut off. */
int pax_put_end(struct pax_writer *w, struct err *e);

/* ---- reading: nothing is believed ---- */

struct pax_reader;
struct pax_reader *pax_reader_new(int fd);
void pax_reader_free(struct pax_reader **r);

/* 1 with an entry, valid until the next call; what its data has left is passed over. 0 when the
 * archive has ended as it should, and the stream too. */
int pax_next(struct pax_reader *r, const struct pax_entry **ret, struct err *e);
/* 1 with the next bytes of its data, which belong at *ret_at; 0 behind the last. */
int pax_data(
	struct pax_reader *r, const void **ret, size_t *ret_n, uint64_t *ret_at, struct err *e);
