/* SPDX-License-Identifier: MIT */
/*
 * Memory that lies in the file of the image being written, behind where an image may end: page
 * cache, which the kernel can write out and take back, so that no layer's size decides how much
 * memory unpacking it takes. The image's own length, set at its end, cuts it off. On file systems
 * that can't do this, and without a file, it is ordinary memory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* No image is larger, and each user of scratch has a gigabyte from there on. */
#define IMAGE_MAX	  (64ULL << 30)
#define SCRATCH_NAMES_AT  IMAGE_MAX
#define SCRATCH_WINDOW_AT (IMAGE_MAX + (1ULL << 30))
#define SCRATCH_END	  (IMAGE_MAX + (2ULL << 30))

struct scratch {
	int fd; /* borrowed; -1: ordinary memory */
	uint64_t at;
	uint8_t *base; /* NULL: not open */
	size_t max, ready;
};

/* Address space for `max` bytes, of which none may be touched yet. */
int scratch_open(struct scratch *s, int fd, uint64_t at, size_t max, struct err *e);
/* Makes the first `need` bytes usable, zeros where they are new. -ENOSPC, -EDQUOT, -ENOMEM. */
int scratch_grow(struct scratch *s, size_t need, struct err *e);
void scratch_close(struct scratch *s);
