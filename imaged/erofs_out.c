/* SPDX-License-Identifier: MIT */
/*
 * Buffered output of the EROFS writer into one regular file. Owns the buffer, not the descriptor.
 * Runs in imaged --unpack.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "erofs_out.h"
#include "scratch.h"

/* Zeros in pieces of this size become holes; smaller ones would cost more calls than they save. */
#define HOLE_UNIT 65536u

static int write_failed(int code, struct err *e)
{
	if (code == ENOSPC || code == EDQUOT)
		return err_set(e, code, "no space left on device");
	return err_errno(e, code, "write");
}

static int write_at(struct erofs_out *o, const uint8_t *p, size_t n, uint64_t at, struct err *e)
{
	if (at + n > IMAGE_MAX)
		return err_set(e, EFBIG, "its image is larger than %llu MiB", IMAGE_MAX >> 20);
	while (n > 0) {
		ssize_t r = pwrite(o->fd, p, n, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return write_failed(r < 0 ? errno : EIO, e);
		p += r;
		n -= (size_t)r;
		at += (uint64_t)r;
	}
	return 0;
}

/* A region equals itself shifted by one byte and starts with 0 only if it is all zeros. */
static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

int out_open(struct erofs_out *o, int fd, struct err *e)
{
	*o = (struct erofs_out){.fd = fd};
	o->buf = aligned_alloc(EROFS_BLOCK, OUT_BUFFER);
	return o->buf ? 0 : err_errno(e, ENOMEM, "write buffer");
}

void out_close(struct erofs_out *o)
{
	free(o->buf);
	o->buf = NULL;
}

static int out_flush(struct erofs_out *o, struct err *e)
{
	size_t from = 0, at;
	int r = 0;

	for (at = 0; at < o->used && !r; at += HOLE_UNIT) {
		size_t n = MIN(HOLE_UNIT, o->used - at);

		if (!is_zero(o->buf + at, n))
			continue;
		r = write_at(o, o->buf + from, at - from, o->base + from, e);
		from = at + n;
	}
	if (!r && from < o->used)
		r = write_at(o, o->buf + from, o->used - from, o->base + from, e);
	o->base += o->used;
	o->used = 0;
	return r;
}

int out_append(struct erofs_out *o, const void *p, size_t n, struct err *e)
{
	const uint8_t *from = p;

	while (n > 0) {
		size_t k = MIN(n, OUT_BUFFER - o->used);
		int r;

		memcpy(o->buf + o->used, from, k);
		o->used += k;
		from += k;
		n -= k;
		if (o->used < OUT_BUFFER)
			break;
		r = out_flush(o, e);
		if (r)
			return r;
	}
	return 0;
}

static int append_zeros(struct erofs_out *o, size_t n, struct err *e)
{
	static const uint8_t zeros[EROFS_BLOCK];

	return out_append(o, zeros, n, e);
}

int out_align(struct erofs_out *o, uint32_t align, struct err *e)
{
	return append_zeros(o, (size_t)(-out_pos(o) & (align - 1)), e);
}

int out_zeros(struct erofs_out *o, uint64_t n, struct err *e)
{
	uint64_t head = MIN(n, -out_pos(o) & (EROFS_BLOCK - 1)), blocks;
	int r = append_zeros(o, (size_t)head, e);

	n -= head;
	blocks = n & ~(uint64_t)(EROFS_BLOCK - 1);
	if (!r && blocks) {
		r = out_flush(o, e);
		o->base += blocks;
	}
	return r ? r : append_zeros(o, (size_t)(n - blocks), e);
}

const uint8_t *out_take_back(struct erofs_out *o, size_t n)
{
	o->used -= n;
	return o->buf + o->used;
}

int out_patch(struct erofs_out *o, uint64_t at, const void *p, size_t n, struct err *e)
{
	if (at >= o->base) {
		memcpy(o->buf + (at - o->base), p, n);
		return 0;
	}
	return write_at(o, p, n, at, e);
}

int out_finish(struct erofs_out *o, struct err *e)
{
	int r = out_flush(o, e);

	if (!r && ftruncate(o->fd, (off_t)o->base) < 0)
		r = write_failed(errno, e);
	return r;
}
