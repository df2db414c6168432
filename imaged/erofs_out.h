/* SPDX-License-Identifier: MIT */
/*
 * The byte stream under the EROFS writer: buffered, block-aware, leaving holes for zeros.
 * Inside the writer's files only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "erofs_format.h"

#define OUT_BUFFER (1u << 20)

struct erofs_out {
	int fd;
	uint64_t base; /* place in the file of buf[0]; a multiple of the block size */
	size_t used;
	uint8_t *buf;
};

int out_open(struct erofs_out *o, int fd, struct err *e);
void out_close(struct erofs_out *o);

static inline uint64_t out_pos(const struct erofs_out *o)
{
	return o->base + o->used;
}

int out_append(struct erofs_out *o, const void *p, size_t n, struct err *e);

/* Appends n zeros; whole blocks among them become a hole. */
int out_zeros(struct erofs_out *o, uint64_t n, struct err *e);

/* Fills up to the next multiple of `align`, at most a block. */
int out_align(struct erofs_out *o, uint32_t align, struct err *e);

/* Takes the last n appended bytes back, n < block; they must be a partial block. */
const uint8_t *out_take_back(struct erofs_out *o, size_t n);

/* Overwrites bytes appended before. */
int out_patch(struct erofs_out *o, uint64_t at, const void *p, size_t n, struct err *e);

/* Writes what is buffered (whole blocks) and sets the file's length; only patches may follow. */
int out_finish(struct erofs_out *o, struct err *e);
