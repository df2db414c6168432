/* SPDX-License-Identifier: MIT */
/*
 * Reading pax; see pax.h. Every number, length and checksum is looked at, and what is not as
 * pax_write.c makes it, give or take what pax(1p) leaves open, ends the reading.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/devnum.h"
#include "base/fd.h"
#include "pax.h"
#include "pax_header.h"
#include "pax_records.h"

struct pax_reader *pax_reader_new(int fd)
{
	struct pax_reader *r = malloc(sizeof(*r));

	if (r) {
		r->fd = fd;
		r->got = r->at = 0;
		r->left = r->pad = 0;
		r->pieces = NULL;
	}
	return r;
}

void pax_reader_free(struct pax_reader **r)
{
	if (*r)
		free((*r)->pieces);
	free(*r);
	*r = NULL;
}

static int damaged(const char *what, struct err *e)
{
	return err_set(e, EBADMSG, "damaged archive: %s", what);
}

/* ---- bytes ---- */

/* What is at hand; *ret_n 0 at the end of the stream. */
static int fill(struct pax_reader *r, const char **ret, size_t *ret_n, struct err *e)
{
	ssize_t n;

	if (r->at == r->got) {
		do
			n = read(r->fd, r->buf, sizeof(r->buf));
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_errno(e, errno, "reading the archive");
		r->at = 0;
		r->got = (size_t)n;
	}
	*ret = r->buf + r->at;
	*ret_n = r->got - r->at;
	return 0;
}

static int take(struct pax_reader *r, void *to, size_t n, struct err *e)
{
	const char *p;
	size_t part;
	int code;

	while (n > 0) {
		code = fill(r, &p, &part, e);
		if (code < 0)
			return code;
		if (part == 0)
			return err_set(e, ENODATA, "the archive ends too early");
		part = MIN(part, n);
		if (to) {
			memcpy(to, p, part);
			to = (char *)to + part;
		}
		r->at += part;
		n -= part;
	}
	return 0;
}

static int skip(struct pax_reader *r, uint64_t n, struct err *e)
{
	int code = 0;

	while (n > 0 && code == 0) {
		size_t part = (size_t)MIN(n, (uint64_t)(1U << 30));

		code = take(r, NULL, part, e);
		n -= part;
	}
	return code;
}

/* Whoever writes must not find the pipe closed: archives are padded. */
static int drain(struct pax_reader *r, struct err *e)
{
	const char *p;
	size_t n;
	int code;

	do {
		code = fill(r, &p, &n, e);
		r->at = r->got;
	} while (code == 0 && n > 0);
	return code;
}

static int read_records(struct pax_reader *r, const struct pax_header *h, struct err *e)
{
	uint64_t n;
	int code;

	if (!pax_octal(h->size, sizeof(h->size), &n) || n > PAX_RECORDS_MAX)
		return damaged("too much before an entry", e);
	r->n_records = (size_t)n;
	code = take(r, r->records, r->n_records, e);
	return code < 0 ? code : skip(r, -n % PAX_BLOCK, e);
}

/* ---- headers ---- */

static bool is_zero(const struct pax_header *h)
{
	static const struct pax_header zero;

	return memcmp(h, &zero, sizeof(zero)) == 0;
}

static int check_header(const struct pax_header *h, struct err *e)
{
	uint64_t sum;

	if (memcmp(h->magic, "ustar", sizeof(h->magic)) != 0)
		return err_set(e, EBADMSG, "what came is no tar archive");
	if (!pax_octal(h->checksum, sizeof(h->checksum), &sum) || sum != pax_checksum(h))
		return damaged("a header's checksum", e);
	return 0;
}

/* prefix/name of a plain header, unless a record had it. */
static void plain_names(struct pax_reader *r, const struct pax_header *h)
{
	if (!r->name[0])
		snprintf(r->name, sizeof(r->name), "%.155s%s%.100s", h->prefix,
			h->prefix[0] ? "/" : "", h->name);
	if (!r->link[0])
		snprintf(r->link, sizeof(r->link), "%.100s", h->link);
}

static int plain_numbers(struct pax_reader *r, const struct pax_header *h, struct err *e)
{
	uint64_t mode, uid, gid, size, mtime, dev[2];
	char type = h->type ? h->type : PAX_FILE;

	if (!pax_octal(h->mode, sizeof(h->mode), &mode) ||
		!pax_octal(h->uid, sizeof(h->uid), &uid) ||
		!pax_octal(h->gid, sizeof(h->gid), &gid) ||
		!pax_octal(h->size, sizeof(h->size), &size) ||
		!pax_octal(h->mtime, sizeof(h->mtime), &mtime) ||
		!pax_octal(h->major, sizeof(h->major), &dev[0]) ||
		!pax_octal(h->minor, sizeof(h->minor), &dev[1]))
		return damaged("a number in a header", e);
	r->entry.type = type;
	r->entry.mode = (mode_t)mode & 07777;
	r->entry.uid = (uid_t)uid; /* at most 21 bits */
	r->entry.gid = (gid_t)gid;
	r->entry.mtime = (struct timespec){(time_t)mtime, 0};
	if (type == PAX_CHAR || type == PAX_BLOCK_DEVICE) {
		if (dev[0] > DEVICE_MAJOR_MAX || dev[1] > DEVICE_MINOR_MAX)
			return damaged("a device's number", e);
		r->entry.device = makedev((unsigned int)dev[0], (unsigned int)dev[1]);
	}
	r->entry.size = r->left = size;
	return 0;
}

/* ---- sparse files ---- */

/* A decimal and a newline, of the entry's data. */
static int map_number(struct pax_reader *r, uint64_t *ret, struct err *e)
{
	char text[24];
	size_t n = 0;
	int code;

	do {
		if (n == sizeof(text) || r->left == 0)
			return damaged("a sparse file's map", e);
		code = take(r, &text[n], 1, e);
		if (code < 0)
			return code;
		r->left--;
	} while (text[n++] != '\n');
	return pax_decimal(text, n - 1, INT64_MAX, ret) ? 0 : damaged("a sparse file's map", e);
}

static int read_pieces(struct pax_reader *r, uint32_t n, uint64_t *ret_data, struct err *e)
{
	uint64_t end = 0, data = 0;
	int code = 0;

	for (uint32_t i = 0; i < n && code == 0; i++) {
		struct pax_piece *p = &r->pieces[i];

		code = map_number(r, &p->at, e);
		if (code == 0)
			code = map_number(r, &p->n, e);
		if (code == 0 &&
			(p->at < end || p->at > r->entry.size || p->n > r->entry.size - p->at))
			code = damaged("a sparse file's map", e);
		end = p->at + p->n;
		data += p->n;
	}
	*ret_data = data;
	return code;
}

static int read_map(struct pax_reader *r, struct err *e)
{
	uint64_t before = r->left, n, data, pad;
	int code = map_number(r, &n, e);

	if (code == 0 && n > PAX_PIECES_MAX)
		code = damaged("a sparse file in too many pieces", e);
	if (code < 0)
		return code;
	r->pieces = calloc((size_t)n + 1, sizeof(*r->pieces));
	if (!r->pieces)
		return err_set(e, ENOMEM, "out of memory");
	code = read_pieces(r, (uint32_t)n, &data, e);
	pad = -(before - r->left) % PAX_BLOCK;
	if (code == 0 && (r->left < pad || r->left - pad != data))
		code = damaged("a sparse file's size", e);
	if (code == 0)
		code = skip(r, pad, e);
	r->left -= MIN(pad, r->left);
	r->entry.pieces = r->pieces;
	r->entry.n_pieces = (uint32_t)n;
	return code;
}

/* ---- entries ---- */

static void forget(struct pax_reader *r)
{
	free(r->pieces);
	r->pieces = NULL;
	r->entry = (struct pax_entry){.name = r->name, .link = r->link};
	r->sparse = false;
	r->name[0] = r->link[0] = '\0';
	r->n_records = 0;
	r->piece = 0;
	r->piece_left = r->position = 0;
}

/* The header proper, over which records have the last word. */
static int read_entry(struct pax_reader *r, const struct pax_header *h, struct err *e)
{
	int code = plain_numbers(r, h, e);

	if (code < 0)
		return code;
	if (!pax_apply_records(r))
		return damaged("what stands before an entry", e);
	plain_names(r, h);
	if (!r->name[0])
		return damaged("an entry without a name", e);
	if (!r->sparse)
		r->entry.size = r->left;
	if (r->entry.type != PAX_FILE)
		r->entry.size = 0;
	r->pad = -r->left % PAX_BLOCK;
	if (r->entry.type != PAX_FILE || !r->sparse)
		return 0;
	return read_map(r, e);
}

static int end_of_archive(struct pax_reader *r, struct err *e)
{
	struct pax_header h;
	int code = take(r, &h, sizeof(h), e);

	if (code == 0 && !is_zero(&h))
		code = damaged("half an end", e);
	return code < 0 ? code : drain(r, e);
}

int pax_next(struct pax_reader *r, const struct pax_entry **ret, struct err *e)
{
	struct pax_header h;
	int code = skip(r, r->left, e);

	if (code == 0)
		code = skip(r, r->pad, e);
	r->left = r->pad = 0;
	forget(r);
	for (;;) {
		if (code == 0)
			code = take(r, &h, sizeof(h), e);
		if (code < 0)
			return code;
		if (is_zero(&h))
			return end_of_archive(r, e);
		code = check_header(&h, e);
		if (code == 0 && h.type != 'x')
			break;
		if (code == 0)
			code = read_records(r, &h, e);
	}
	code = read_entry(r, &h, e);
	*ret = &r->entry;
	return code < 0 ? code : 1;
}

int pax_data(struct pax_reader *r, const void **ret, size_t *ret_n, uint64_t *ret_at, struct err *e)
{
	const char *p;
	size_t n;
	int code;

	while (r->pieces && r->piece_left == 0 && r->piece < r->entry.n_pieces) {
		r->position = r->pieces[r->piece].at;
		r->piece_left = r->pieces[r->piece].n;
		r->piece++;
	}
	if (r->left == 0)
		return 0;
	code = fill(r, &p, &n, e);
	if (code < 0)
		return code;
	if (n == 0)
		return err_set(e, ENODATA, "the archive ends too early");
	n = (size_t)MIN((uint64_t)n, r->pieces ? MIN(r->piece_left, r->left) : r->left);
	*ret = p;
	*ret_n = n;
	*ret_at = r->position;
	r->at += n;
	r->position += n;
	r->left -= n;
	r->piece_left -= r->pieces ? n : 0;
	return 1;
}
