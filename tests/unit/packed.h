/* SPDX-License-Identifier: MIT */
/*
 * Streams as layers come in, packed in one go. What is returned is the caller's to tar_free().
 */
#pragma once

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "unpacked.h"

static inline struct tar gzip(const void *p, size_t n)
{
	struct isal_zstream *z = calloc(1, sizeof(*z));
	struct tar out = {0};

	assert_non_null(z);
	isal_deflate_stateless_init(z);
	z->gzip_flag = IGZIP_GZIP;
	z->end_of_stream = 1;
	z->next_in = (uint8_t *)(uintptr_t)p;
	z->avail_in = (uint32_t)n;
	z->next_out = tar_grow(&out, n + n / 8 + 1024);
	z->avail_out = (uint32_t)out.n;
	assert_int_equal(isal_deflate_stateless(z), COMP_OK);
	out.n = z->total_out;
	free(z);
	return out;
}

static inline struct tar zstd(const void *p, size_t n)
{
	struct tar out = {0};
	size_t r;

	tar_grow(&out, ZSTD_compressBound(n));
	r = ZSTD_compress(out.p, out.n, p, n, 3);
	assert_false(ZSTD_isError(r));
	out.n = r;
	return out;
}

static inline void append(struct tar *t, const void *p, size_t n)
{
	memcpy(tar_grow(t, n), p, n);
}

/* An archive of a few entries, of which one takes several blocks. */
static inline void sample(struct tar *t)
{
	char text[5000];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i * i % 23);
	text[sizeof(text) - 1] = '\0';
	*t = (struct tar){0};
	tar_dir(t, "./");
	tar_dir(t, "./usr/");
	tar_file(t, "./usr/text", text);
	tar_file(t, "./small", "small");
	tar_end(t);
}
