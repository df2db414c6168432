/* SPDX-License-Identifier: MIT */
/*
 * Writes one EROFS image into a fresh regular file, in one pass: file data block-aligned as they
 * come; each inode that is not a directory as soon as its data are complete, packed with the inodes
 * and file tails of its neighbours into shared blocks; directories at the end; block 0 with super
 * block and root inode last. Whole zero stretches become holes of the file. The same calls always
 * give the same bytes.
 *
 * Order of calls: open; any number of { data*, inode }; finish. After an error only close. Every
 * function may block on the disk and returns 0 or -errno with a sentence.
 */
#pragma once

#include "erofs_tree.h"

struct erofs_writer;

struct erofs_stats {
	uint64_t bytes; /* size of the image */
	uint32_t inodes;
	uint32_t implied; /* directories of which nothing is known */
	bool root_opaque;
};

/* The file must be empty and stays the caller's. */
int erofs_writer_open(int fd, struct erofs_writer **ret, struct err *e);
void erofs_writer_close(struct erofs_writer **w);

/* Appends to the file whose inode comes next: bytes, or zeros that take no disk. */
int erofs_data_append(struct erofs_writer *w, const void *p, size_t n, struct err *e);
int erofs_data_skip(struct erofs_writer *w, uint64_t n, struct err *e);

/* Gives the appended data (a file's content, a link's target) their inode and sets node->at.
 * `rdev` counts for devices only: major and minor of at most 12 and 20 bits. */
int erofs_inode_put(struct erofs_writer *w, const struct erofs_attr *attr,
	struct erofs_xattrs xattrs, uint64_t rdev, struct erofs_node *node, struct err *e);

/* Writes all directories and the super block. `uuid` names the image. The tree's memory is gone
 * then: it may only be freed. */
int erofs_image_finish(struct erofs_writer *w, struct erofs_tree *t, const uint8_t uuid[16],
	struct erofs_stats *ret, struct err *e);
