/* SPDX-License-Identifier: MIT */
/*
 * Decompression of a layer: ISA-L for gzip, libzstd for zstd, libcrypto for the digest. Trusts
 * nothing it reads; memory is two buffers and the decompressor's window. Runs in imaged --unpack.
 */
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem; exported by the shared library too */
#include <zstd.h>

#include "inflate.h"
#include "scratch.h"

#define IN_BUFFER (1u << 20)
#define MAGIC_MAX 4u
/* 32 MiB is the largest window that the encoders of container tools choose; the format allows for
 * windows that no 64 MiB process could hold. */
#define ZSTD_WINDOW_LOG_MAX 25
/* The window is larger than this, whatever else libzstd allocates is not. */
#define ZSTD_ORDINARY (1u << 20)

struct inflate {
	int fd;
	bool eof;
	int (*step)(struct inflate *f, struct err *e); /* fills out, or finds the end */
	uint8_t *in, *out;
	size_t in_at, in_len; /* unread input is in[in_at .. in_len) */
	const uint8_t *ready; /* produced by the last step */
	size_t ready_len;
	uint64_t in_bytes, out_bytes;
	const struct layer_limits *limits;
	EVP_MD_CTX *sha;
	struct inflate_state *gzip;
	ZSTD_DStream *zstd;
	int scratch_fd;
	struct scratch window;
	size_t zstd_hint; /* 0 between frames */
};

static int bad(struct err *e, const char *text)
{
	return err_set(e, EBADMSG, "%s", text);
}

/* Reads once; at the end of the input sets eof. */
static int read_more(struct inflate *f, struct err *e)
{
	ssize_t n;

	do {
		n = read(f->fd, f->in + f->in_len, IN_BUFFER - f->in_len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, errno, "read");
	f->eof = n == 0;
	f->in_len += (size_t)n;
	f->in_bytes += (uint64_t)n;
	return 0;
}

/* Makes sure of some unread input, unless it has ended. */
static int refill(struct inflate *f, struct err *e)
{
	if (f->in_at < f->in_len || f->eof)
		return 0;
	f->in_at = f->in_len = 0;
	return read_more(f, e);
}

static bool at_end(const struct inflate *f)
{
	return f->eof && f->in_at == f->in_len;
}

/* Between members: the end, zeros up to the end (as gzip(1) accepts from tapes), or another. */
static int gzip_next_member(struct inflate *f, bool *ret_more, struct err *e)
{
	*ret_more = false;
	for (;;) {
		int r = refill(f, e);

		if (r || at_end(f))
			return r;
		if (f->in[f->in_at] == 0x1f)
			break;
		if (f->in[f->in_at++] != 0)
			return bad(e, "garbage after its gzip stream");
	}
	isal_inflate_reset(f->gzip);
	f->gzip->crc_flag = ISAL_GZIP;
	*ret_more = true;
	return 0;
}

static int gzip_run(struct inflate *f, struct err *e)
{
	struct inflate_state *s = f->gzip;
	int r;

	s->next_in = f->in + f->in_at;
	s->avail_in = (uint32_t)(f->in_len - f->in_at);
	r = isal_inflate(s);
	f->in_at = f->in_len - s->avail_in;
	if (r == ISAL_INCORRECT_CHECKSUM)
		return bad(e, "damaged gzip stream: checksum mismatch");
	return r == ISAL_DECOMP_OK || r == ISAL_END_INPUT || r == ISAL_OUT_OVERFLOW
		       ? 0
		       : bad(e, "damaged gzip stream");
}

static int gzip_step(struct inflate *f, struct err *e)
{
	struct inflate_state *s = f->gzip;

	s->next_out = f->out;
	s->avail_out = INFLATE_CHUNK;
	while (s->avail_out > 0) {
		uint32_t before = s->avail_out;
		bool more = true;
		int r = s->block_state == ISAL_BLOCK_FINISH ? gzip_next_member(f, &more, e)
							    : refill(f, e);

		if (!r && more)
			r = gzip_run(f, e);
		if (r)
			return r;
		if (s->block_state == ISAL_BLOCK_FINISH ? !more
							: at_end(f) && s->avail_out == before)
			break;
	}
	f->ready = f->out;
	f->ready_len = INFLATE_CHUNK - s->avail_out;
	if (f->ready_len == 0 && s->block_state != ISAL_BLOCK_FINISH)
		return bad(e, "truncated gzip stream");
	return 0;
}

static int zstd_run(struct inflate *f, ZSTD_outBuffer *out, struct err *e)
{
	ZSTD_inBuffer in = {.src = f->in + f->in_at, .size = f->in_len - f->in_at};
	size_t hint = ZSTD_decompressStream(f->zstd, out, &in);

	f->in_at += in.pos;
	if (ZSTD_isError(hint))
		return err_set(e, EBADMSG, "damaged zstd stream: %s", ZSTD_getErrorName(hint));
	f->zstd_hint = hint;
	return 0;
}

static int zstd_step(struct inflate *f, struct err *e)
{
	ZSTD_outBuffer out = {.dst = f->out, .size = INFLATE_CHUNK};

	while (out.pos < out.size) {
		size_t before = out.pos;
		int r = refill(f, e);

		if (!r && !(at_end(f) && f->zstd_hint == 0))
			r = zstd_run(f, &out, e);
		if (r)
			return r;
		if (at_end(f) && out.pos == before)
			break;
	}
	f->ready = f->out;
	f->ready_len = out.pos;
	if (f->ready_len == 0 && f->zstd_hint != 0)
		return bad(e, "truncated zstd stream");
	return 0;
}

static int plain_step(struct inflate *f, struct err *e)
{
	int r = refill(f, e);

	if (r)
		return r;
	f->ready = f->in + f->in_at;
	f->ready_len = MIN(f->in_len - f->in_at, INFLATE_CHUNK);
	f->in_at += f->ready_len;
	return 0;
}

static int gzip_open(struct inflate *f)
{
	f->gzip = malloc(sizeof(*f->gzip));
	if (!f->gzip)
		return -ENOMEM;
	isal_inflate_init(f->gzip);
	f->gzip->crc_flag = ISAL_GZIP;
	f->step = gzip_step;
	return 0;
}

static void *zstd_alloc(void *ctx, size_t size)
{
	struct inflate *f = ctx;

	if (size <= ZSTD_ORDINARY)
		return malloc(size);
	/* libzstd gives one window back before it asks for the next. */
	if (f->window.base ||
		scratch_open(&f->window, f->scratch_fd, SCRATCH_WINDOW_AT, size, NULL) < 0)
		return NULL;
	if (scratch_grow(&f->window, size, NULL) == 0)
		return f->window.base;
	scratch_close(&f->window);
	return NULL;
}

static void zstd_free(void *ctx, void *p)
{
	struct inflate *f = ctx;

	if (p && p == f->window.base)
		scratch_close(&f->window);
	else
		free(p);
}

static int zstd_open(struct inflate *f)
{
	f->zstd = ZSTD_createDStream_advanced((ZSTD_customMem){zstd_alloc, zstd_free, f});
	if (!f->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(
				f->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
		return -ENOMEM;
	f->zstd_hint = 1;
	f->step = zstd_step;
	return 0;
}

static bool is_zstd(const uint8_t *p)
{
	static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd};
	static const uint8_t skippable[] = {0x2a, 0x4d, 0x18};

	return memcmp(p, frame, sizeof(frame)) == 0 ||
	       ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, skippable, sizeof(skippable)) == 0);
}

static int detect(struct inflate *f, struct err *e)
{
	int r = 0;

	while (!r && !f->eof && f->in_len < MAGIC_MAX)
		r = read_more(f, e);
	if (r)
		return r;
	if (f->in_len >= MAGIC_MAX && f->in[0] == 0x1f && f->in[1] == 0x8b)
		r = gzip_open(f);
	else if (f->in_len >= MAGIC_MAX && is_zstd(f->in))
		r = zstd_open(f);
	else
		f->step = plain_step;
	return r ? err_errno(e, -r, "decompressor") : 0;
}

int inflate_new(int fd, int scratch_fd, const struct layer_limits *limits, struct inflate **ret,
	struct err *e)
{
	struct inflate *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_errno(e, ENOMEM, "decompressor");
	f->fd = fd;
	f->scratch_fd = scratch_fd;
	f->limits = limits;
	f->in = malloc(IN_BUFFER);
	f->out = malloc(INFLATE_CHUNK);
	f->sha = EVP_MD_CTX_new();
	if (!f->in || !f->out || !f->sha || EVP_DigestInit_ex(f->sha, EVP_sha256(), NULL) != 1)
		r = err_errno(e, ENOMEM, "decompressor");
	else
		r = detect(f, e);
	if (r) {
		inflate_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void inflate_free(struct inflate **f)
{
	if (!*f)
		return;
	ZSTD_freeDStream((*f)->zstd);
	EVP_MD_CTX_free((*f)->sha);
	free((*f)->gzip);
	free((*f)->in);
	free((*f)->out);
	free(*f);
	*f = NULL;
}

static int check_bounds(const struct inflate *f, struct err *e)
{
	const struct layer_limits *l = f->limits;

	if (f->out_bytes > l->max_unpacked)
		return err_set(e, E2BIG, "unpacks to more than %llu MiB",
			(unsigned long long)(l->max_unpacked >> 20));
	if (f->out_bytes > l->ratio_free && f->out_bytes / l->max_ratio > f->in_bytes)
		return err_set(e, E2BIG, "unpacks to more than %u times its size", l->max_ratio);
	return 0;
}

int inflate_next(struct inflate *f, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	int r = f->step(f, e);

	if (r)
		return r;
	f->out_bytes += f->ready_len;
	r = check_bounds(f, e);
	if (r)
		return r;
	if (EVP_DigestUpdate(f->sha, f->ready, f->ready_len) != 1)
		return err_set(e, EIO, "sha256 failed");
	*ret = f->ready;
	*ret_len = f->ready_len;
	return 0;
}

int inflate_digest(struct inflate *f, uint8_t out[INFLATE_DIGEST_SIZE], struct err *e)
{
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(f->sha, out, &n) != 1 || n != INFLATE_DIGEST_SIZE)
		return err_set(e, EIO, "sha256 failed");
	return 0;
}

uint64_t inflate_in_bytes(const struct inflate *f)
{
	return f->in_bytes;
}

uint64_t inflate_out_bytes(const struct inflate *f)
{
	return f->out_bytes;
}
