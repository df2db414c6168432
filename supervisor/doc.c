/* SPDX-License-Identifier: MIT */
/*
 * Documents that the supervisor keeps; see engine.h.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"

static int room_for(struct doc *d, const struct schema *s, struct err *e)
{
	doc_free(d);
	d->obj = arena_alloc(&d->arena, s->size);
	return d->obj ? 0 : err_set(e, ENOMEM, "out of memory");
}

int doc_copy(struct doc *d, const struct schema *s, const void *src, struct err *e)
{
	struct doc fresh = {0};
	int r = room_for(&fresh, s, e);

	if (r == 0)
		r = codec_copy(s, src, &fresh.buf, &fresh.arena, fresh.obj, e);
	if (r < 0) {
		doc_free(&fresh);
		return r;
	}
	doc_free(d);
	*d = fresh;
	return 0;
}

int doc_decode(struct doc *d, const struct schema *s, uint8_t *buf, size_t n, struct err *e)
{
	int r = room_for(d, s, e);

	d->buf = buf;
	if (r == 0)
		r = codec_decode(s, buf, n, NULL, 0, &d->arena, d->obj, e);
	if (r < 0)
		doc_free(d);
	return r;
}

int doc_read(struct doc *d, const struct schema *s, int memfd, size_t max, struct err *e)
{
	uint8_t *buf;
	size_t n;
	int r = fd_memfd_read(memfd, max, &buf, &n);

	if (r == 0)
		return doc_decode(d, s, buf, n, e);
	doc_free(d);
	return err_errno(e, r, "reading %s", s->name);
}

void doc_free(struct doc *d)
{
	arena_free(&d->arena);
	free(d->buf);
	*d = (struct doc){0};
}
