/* SPDX-License-Identifier: MIT */
/*
 * Looks up directories in an EROFS image of our own writing. Memory is one block and one set of
 * attributes, however large the image; a damaged one gives -EBADMSG.
 */
#pragma once

#include "erofs_tree.h"

struct erofs_map {
	int fd; /* the caller's */
	uint64_t size;
	uint64_t root;
	uint64_t block_at; /* of the directory block read last */
	size_t block_len;
	uint8_t block[EROFS_BLOCK];
	uint8_t *xattrs;
};

/* What there is to know about an inode that is a directory or stands where one could be. */
struct erofs_found {
	uint64_t nid;
	uint64_t size;
	uint64_t data_at;
	bool tail_inline;
	bool opaque;
	bool implied;
	uint32_t xattr_size;
	struct erofs_attr attr;
};

int erofs_map_open(int fd, struct erofs_map *ret, struct err *e);
void erofs_map_close(struct erofs_map *m);

int erofs_map_inode(struct erofs_map *m, uint64_t nid, struct erofs_found *ret, struct err *e);

/* Its encoded attributes, valid until the next call. */
int erofs_map_xattrs(struct erofs_map *m, const struct erofs_found *found, struct erofs_xattrs *ret,
	struct err *e);

/* -ENOENT (without a sentence) if the directory has no such name. */
int erofs_map_lookup(struct erofs_map *m, const struct erofs_found *dir, const char *name,
	size_t len, struct erofs_found *ret, struct err *e);

struct erofs_map_name {
	const char *text; /* not terminated, valid until the next call */
	size_t len;
	uint64_t nid;
	uint8_t type;
};

/* The directory's entries one after another; *at starts at 0. 1 for an entry, 0 at the end. */
int erofs_map_next(struct erofs_map *m, const struct erofs_found *dir, uint64_t *at,
	struct erofs_map_name *ret, struct err *e);
