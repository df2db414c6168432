/* SPDX-License-Identifier: MIT */
/*
 * Looks up directories in an EROFS image of our own writing. All offsets are checked against the
 * mapping; a damaged image gives -EBADMSG, never a fault, as long as the file is not truncated.
 */
#pragma once

#include "erofs_tree.h"

struct erofs_map {
	const uint8_t *p;
	uint64_t size;
	uint64_t root;
};

/* What there is to know about an inode that is a directory or stands where one could be. */
struct erofs_found {
	uint64_t nid;
	uint64_t size;
	uint64_t data_at;
	bool tail_inline;
	struct erofs_attr attr;
	struct erofs_xattrs xattrs; /* in the mapping */
};

int erofs_map_open(int fd, struct erofs_map *ret, struct err *e);
void erofs_map_close(struct erofs_map *m);

int erofs_map_inode(
	const struct erofs_map *m, uint64_t nid, struct erofs_found *ret, struct err *e);

/* -ENOENT (without a sentence) if the directory has no such name. */
int erofs_map_lookup(const struct erofs_map *m, const struct erofs_found *dir, const char *name,
	size_t len, struct erofs_found *ret, struct err *e);

struct erofs_map_name {
	const char *text; /* not terminated */
	size_t len;
	uint64_t nid;
	uint8_t type;
};

/* The directory's entries one after another; *at starts at 0. 1 for an entry, 0 at the end. */
int erofs_map_next(const struct erofs_map *m, const struct erofs_found *dir, uint64_t *at,
	struct erofs_map_name *ret, struct err *e);
