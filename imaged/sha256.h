/* SPDX-License-Identifier: MIT */
/*
 * sha256 of a stream, by libcrypto (which uses the processor's SHA instructions where there are
 * any).
 */
#pragma once

#include <stddef.h>

#include "digest.h"

struct sha256; /* a running sum */

struct sha256 *sha256_new(void); /* NULL when memory is out */
void sha256_free(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *buf, size_t n);

/* Writes the digest as text; the sum can't be added to afterwards. */
void sha256_finish(struct sha256 *s, char ret[DIGEST_TEXT_MAX]);

/* Of one buffer. 0 or -ENOMEM. */
int sha256_of(const void *buf, size_t n, char ret[DIGEST_TEXT_MAX]);
