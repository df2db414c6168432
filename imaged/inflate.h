/* SPDX-License-Identifier: MIT */
/*
 * A layer's bytes as they were before compression: gzip (any number of members), zstd (any number
 * of frames) or plain, told apart by the first bytes. Hashes what it gives out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "layer.h"

#define INFLATE_CHUNK	    (256u << 10) /* at most so much is given out at a time */
#define INFLATE_DIGEST_SIZE 32u

struct inflate;

/* The bytes given out are bounded by max_unpacked and by max_ratio for each byte read. The window
 * of zstd lies in scratch memory (scratch.h) of scratch_fd. Descriptors and limits stay the
 * caller's. */
int inflate_new(int fd, int scratch_fd, const struct layer_limits *limits, struct inflate **ret,
	struct err *e);
void inflate_free(struct inflate **f);

/* The next bytes, valid until the next call; *ret_len is 0 at the end, and only then. Reads the
 * descriptor and may block. -EBADMSG for a damaged or truncated stream, -E2BIG over the limits. */
int inflate_next(struct inflate *f, const uint8_t **ret, size_t *ret_len, struct err *e);

/* sha256 of all bytes given out; to be called once, after the end. */
int inflate_digest(struct inflate *f, uint8_t out[INFLATE_DIGEST_SIZE], struct err *e);

uint64_t inflate_in_bytes(const struct inflate *f);
uint64_t inflate_out_bytes(const struct inflate *f);
