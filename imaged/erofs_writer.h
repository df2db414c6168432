/* SPDX-License-Identifier: MIT */
/*
 * What erofs_write.c and erofs_dir.c share. Inside the writer's files only.
 */
#pragma once

#include "erofs_out.h"
#include "erofs_write.h"

#define EROFS_INODE_SIZE 64u
/* Blocks being filled with inodes and tails at a time; eight leave a few per cent unused. */
#define PACKS 8u

struct erofs_pack {
	uint64_t at; /* its reserved place in the image; 0: unused */
	uint32_t used;
	uint8_t bytes[EROFS_BLOCK];
};

struct erofs_writer {
	struct erofs_out out;
	uint64_t data_at; /* where the data of the next inode begin */
	uint32_t inodes;
	struct erofs_pack packs[PACKS];
};

struct erofs_inode_info {
	const struct erofs_attr *attr;
	struct erofs_xattrs xattrs;
	uint64_t size;
	uint64_t data_at; /* block-aligned */
	uint64_t rdev;
	uint32_t ino;
	uint32_t nlink;
	bool tail_inline;
};

static inline uint16_t erofs_xattr_units(struct erofs_xattrs x)
{
	return x.size ? (uint16_t)(1 + (x.size - sizeof(struct erofs_xattr_header)) / 4) : 0;
}

/* Writes the on-disk inode; returns its size. */
uint32_t erofs_inode_encode(const struct erofs_inode_info *i, uint8_t out[EROFS_INODE_SIZE]);

/* Completes all blocks of packed inodes; from then on out_patch() reaches them. */
int erofs_packs_close(struct erofs_writer *w, struct err *e);
