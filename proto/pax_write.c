/* SPDX-License-Identifier: MIT */
/*
 * Writing pax; see pax.h. What a plain header can't hold goes into records before it: pax(1p),
 * "pax Header Block"; sparse files are GNU's format 1.0 (tar.info, "PAX Format, Version 1.0").
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "pax.h"
#include "pax_header.h"

#define OCTAL_11 077777777777ULL /* the largest in a field of 12 */
#define OCTAL_7	 07777777ULL	 /* and in one of 8 */

struct pax_writer {
	int fd;
	uint64_t left, pad; /* of the current entry: data, zeros behind */
	size_t n;
	char buf[PAX_BUFFER];
	size_t n_records;
	char records[PAX_RECORDS_MAX];
};

struct pax_writer *pax_writer_new(int fd)
{
	struct pax_writer *w = malloc(sizeof(*w));

	if (w) {
		w->fd = fd;
		w->n = 0;
		w->left = w->pad = 0;
	}
	return w;
}

void pax_writer_free(struct pax_writer **w)
{
	free(*w);
	*w = NULL;
}

static int flush(struct pax_writer *w, struct err *e)
{
	int r = fd_write_all(w->fd, w->buf, w->n);

	w->n = 0;
	return r < 0 ? err_errno(e, r, "writing the archive") : 0;
}

/* NULL writes zeros. */
static int put(struct pax_writer *w, const void *p, uint64_t n, struct err *e)
{
	const char *from = p;
	int r = 0;

	while (n > 0 && r == 0) {
		size_t part = (size_t)MIN(n, (uint64_t)(sizeof(w->buf) - w->n));

		if (from)
			memcpy(w->buf + w->n, from, part);
		else
			memset(w->buf + w->n, 0, part);
		from = from ? from + part : NULL;
		w->n += part;
		n -= part;
		if (w->n == sizeof(w->buf))
			r = flush(w, e);
	}
	return r;
}

/* ---- records ---- */

/* "LENGTH key=value\n", where the length counts itself. */
static int record(struct pax_writer *w, const char *prefix, const char *key, const void *value,
	size_t n, struct err *e)
{
	size_t rest = strlen(prefix) + strlen(key) + n + 3, total = rest + 1;
	char *to = w->records + w->n_records;

	while ((size_t)snprintf(NULL, 0, "%zu", total) + rest != total)
		total = (size_t)snprintf(NULL, 0, "%zu", total) + rest;
	if (total > sizeof(w->records) - w->n_records)
		return err_set(
			e, E2BIG, "more than %u bytes of extended attributes", PAX_RECORDS_MAX);
	to += sprintf(to, "%zu %s%s=", total, prefix, key);
	memcpy(to, value, n);
	to[n] = '\n';
	w->n_records += total;
	return 0;
}

static int record_text(struct pax_writer *w, const char *key, const char *value, struct err *e)
{
	return record(w, "", key, value, strlen(value), e);
}

static int record_number(struct pax_writer *w, const char *key, uint64_t v, struct err *e)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return record_text(w, key, text, e);
}

/* A decimal, also before 1970: (-2, 750000000) is -1.25. */
static int record_time(struct pax_writer *w, struct timespec t, struct err *e)
{
	bool negative = t.tv_sec < 0;
	char text[48];

	if (negative && t.tv_nsec > 0)
		t = (struct timespec){t.tv_sec + 1, 1000000000L - t.tv_nsec};
	snprintf(text, sizeof(text), "%s%" PRIu64 ".%09ld", negative ? "-" : "",
		negative ? 0 - (uint64_t)t.tv_sec : (uint64_t)t.tv_sec, t.tv_nsec);
	return record_text(w, "mtime", text, e);
}

/* Of what fits, and of ASCII: the rest is a record's. */
static bool is_plain(const char *s, size_t max)
{
	for (size_t i = 0; s[i]; i++)
		if (i == max || (unsigned char)s[i] >= 0x80)
			return false;
	return true;
}

static int make_records(
	struct pax_writer *w, const struct pax_entry *x, uint64_t size, struct err *e)
{
	int r = 0;

	w->n_records = 0;
	if (x->pieces) {
		r = record_text(w, "GNU.sparse.major", "1", e);
		if (r == 0)
			r = record_text(w, "GNU.sparse.minor", "0", e);
		if (r == 0)
			r = record_text(w, "GNU.sparse.name", x->name, e);
		if (r == 0)
			r = record_number(w, "GNU.sparse.realsize", x->size, e);
	} else if (!is_plain(x->name, sizeof(((struct pax_header *)0)->name))) {
		r = record_text(w, "path", x->name, e);
	}
	if (r == 0 && x->link && !is_plain(x->link, sizeof(((struct pax_header *)0)->link)))
		r = record_text(w, "linkpath", x->link, e);
	if (r == 0 && size > OCTAL_11)
		r = record_number(w, "size", size, e);
	if (r == 0 && x->uid > OCTAL_7)
		r = record_number(w, "uid", x->uid, e);
	if (r == 0 && x->gid > OCTAL_7)
		r = record_number(w, "gid", x->gid, e);
	if (r == 0 &&
		(x->mtime.tv_nsec || x->mtime.tv_sec < 0 || (uint64_t)x->mtime.tv_sec > OCTAL_11))
		r = record_time(w, x->mtime, e);
	for (uint32_t i = 0; r == 0 && i < x->n_xattrs; i++)
		r = record(w, "SCHILY.xattr.", x->xattrs[i].name, x->xattrs[i].value,
			x->xattrs[i].n, e);
	return r;
}

/* ---- headers ---- */

/* Digits in all of the field but its last byte. */
static void octal(char *field, size_t width, uint64_t v)
{
	for (size_t i = width - 1; i-- > 0; v /= 8)
		field[i] = (char)('0' + v % 8);
}

static int put_header(struct pax_writer *w, char type, const char *name, uint64_t size,
	const struct pax_entry *x, struct err *e)
{
	struct pax_header h = {.magic = "ustar", .version = {'0', '0'}, .type = type};

	/* A field that is full has no NUL. */
	memcpy(h.name, name, strnlen(name, sizeof(h.name)));
	if (type != 'x' && x->link)
		memcpy(h.link, x->link, strnlen(x->link, sizeof(h.link)));
	octal(h.mode, sizeof(h.mode), x->mode & 07777);
	octal(h.uid, sizeof(h.uid), MIN((uint64_t)x->uid, OCTAL_7));
	octal(h.gid, sizeof(h.gid), MIN((uint64_t)x->gid, OCTAL_7));
	octal(h.size, sizeof(h.size), MIN(size, (uint64_t)OCTAL_11));
	octal(h.mtime, sizeof(h.mtime),
		x->mtime.tv_sec < 0 ? 0 : MIN((uint64_t)x->mtime.tv_sec, OCTAL_11));
	if (type == PAX_CHAR || type == PAX_BLOCK_DEVICE) {
		octal(h.major, sizeof(h.major), major(x->device));
		octal(h.minor, sizeof(h.minor), minor(x->device));
	}
	octal(h.checksum, sizeof(h.checksum), pax_checksum(&h));
	return put(w, &h, sizeof(h), e);
}

/* What an old tar would call it. */
static void short_name(const char *prefix, const char *name, char buf[100])
{
	size_t n = strlen(name);

	while (n > 1 && name[n - 1] == '/')
		n--;
	while (n > 0 && name[n - 1] != '/' && strlen(name) - n < 80)
		n--;
	snprintf(buf, 100, "%s/%.80s", prefix, name + n);
}

static int put_records(struct pax_writer *w, const struct pax_entry *x, struct err *e)
{
	static const struct pax_entry plain = {.mode = 0644};
	char name[100];
	int r;

	short_name("PaxHeaders", x->name, name);
	r = put_header(w, 'x', name, w->n_records, &plain, e);
	if (r == 0)
		r = put(w, w->records, w->n_records, e);
	return r < 0 ? r : put(w, NULL, -w->n_records % PAX_BLOCK, e);
}

/* ---- sparse files ---- */

static uint64_t map_size(const struct pax_entry *x)
{
	uint64_t n = (uint64_t)snprintf(NULL, 0, "%u\n", x->n_pieces);

	for (uint32_t i = 0; i < x->n_pieces; i++)
		n += (uint64_t)snprintf(
			NULL, 0, "%" PRIu64 "\n%" PRIu64 "\n", x->pieces[i].at, x->pieces[i].n);
	return n;
}

static int put_map(struct pax_writer *w, const struct pax_entry *x, uint64_t size, struct err *e)
{
	char text[64];
	int r, n = snprintf(text, sizeof(text), "%u\n", x->n_pieces);

	r = put(w, text, (uint64_t)n, e);
	for (uint32_t i = 0; i < x->n_pieces && r == 0; i++) {
		n = snprintf(text, sizeof(text), "%" PRIu64 "\n%" PRIu64 "\n", x->pieces[i].at,
			x->pieces[i].n);
		r = put(w, text, (uint64_t)n, e);
	}
	return r < 0 ? r : put(w, NULL, -size % PAX_BLOCK, e);
}

int pax_put_entry(struct pax_writer *w, const struct pax_entry *x, struct err *e)
{
	uint64_t data = x->type == PAX_FILE ? x->size : 0, map = 0;
	char name[100];
	int r;

	if (x->pieces) {
		map = map_size(x);
		data = 0;
		for (uint32_t i = 0; i < x->n_pieces; i++)
			data += x->pieces[i].n;
	}
	r = make_records(w, x, data + map + -map % PAX_BLOCK, e);
	if (r == 0 && w->n_records > 0)
		r = put_records(w, x, e);
	short_name("GNUSparseFile.0", x->name, name);
	if (r == 0)
		r = put_header(w, x->type, x->pieces ? name : x->name,
			data + map + -map % PAX_BLOCK, x, e);
	if (r == 0 && x->pieces)
		r = put_map(w, x, map, e);
	w->left = data;
	w->pad = -data % PAX_BLOCK;
	return r;
}

int pax_put(struct pax_writer *w, const void *p, size_t n, struct err *e)
{
	int r;

	if (n > w->left)
		return err_set(e, EINVAL, "more data than the entry has");
	r = put(w, p, n, e);
	w->left -= n;
	if (r == 0 && w->left == 0) {
		r = put(w, NULL, w->pad, e);
		w->pad = 0;
	}
	return r;
}

int pax_put_end(struct pax_writer *w, struct err *e)
{
	int r = put(w, NULL, 2 * PAX_BLOCK, e);

	return r < 0 ? r : flush(w, e);
}
