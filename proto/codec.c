/* SPDX-License-Identifier: MIT */
/*
 * Decoding: from the cursor into structures, by the schema's rows. One function a field type.
 */
#include "codec.h"

#include <errno.h>
#include <string.h>

#include "cursor.h"

/* Strings become NUL-terminated only after everything has been read, since the byte behind a string
 * is the next item's header. The places are collected here meanwhile. */
struct ends {
	struct ends *next;
	uint32_t n;
	uint8_t *v[126];
};

struct decoder {
	struct cursor in;
	const int *fds;
	uint32_t n_fds, next_fd;
	struct arena *arena;
	struct ends *ends;
	struct err *e;
};

static int decode_struct(struct decoder *d, const struct schema *s, char *obj);

static int refuse(struct decoder *d, const struct schema *s, const struct field *f, const char *why)
{
	return err_set(d->e, EBADMSG, "%s.%s: %s", s->name, f->name, why);
}

static int no_memory(struct decoder *d)
{
	return err_set(d->e, ENOMEM, "a message needs more memory than it may");
}

static int note_end(struct decoder *d, uint8_t *p)
{
	if (!d->ends || d->ends->n == ARRAY_LEN(d->ends->v)) {
		struct ends *more = arena_alloc(d->arena, sizeof(*more));

		if (!more)
			return no_memory(d);
		more->next = d->ends;
		d->ends = more;
	}
	d->ends->v[d->ends->n++] = p;
	return 0;
}

static int decode_str(struct decoder *d, const struct schema *s, const struct field *f,
	uint64_t bound, const char **ret)
{
	uint32_t n;
	char *p;

	if (cursor_str(&d->in, &p, &n) < 0)
		return refuse(d, s, f, "not a string");
	if (n > bound)
		return refuse(d, s, f, "too long");
	if (memchr(p, '\0', n))
		return refuse(d, s, f, "holds a NUL byte");
	*ret = p;
	return note_end(d, (uint8_t *)p + n);
}

static int decode_strv(
	struct decoder *d, const struct schema *s, const struct field *f, struct strv *ret)
{
	uint32_t n;
	int r;

	if (cursor_array(&d->in, &n) < 0)
		return refuse(d, s, f, "not a list");
	/* Each element takes a byte at least: a length that the frame can't hold costs no memory.
	 */
	if (n > f->bound || n > (size_t)(d->in.end - d->in.p))
		return refuse(d, s, f, "too many elements");
	ret->v = arena_alloc(d->arena, (size_t)n * sizeof(*ret->v));
	if (!ret->v)
		return no_memory(d);
	for (ret->n = 0; ret->n < n; ret->n++) {
		r = decode_str(d, s, f, ITEM_MAX, &ret->v[ret->n]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_fd(struct decoder *d, const struct schema *s, const struct field *f, int *ret)
{
	uint64_t i;

	if (cursor_u64(&d->in, &i) < 0)
		return refuse(d, s, f, "not a descriptor");
	if (i != d->next_fd || i >= d->n_fds)
		return refuse(d, s, f, "names a descriptor that did not come");
	*ret = d->fds[d->next_fd++];
	return 0;
}

static int decode_fdv(
	struct decoder *d, const struct schema *s, const struct field *f, struct fdv *ret)
{
	uint32_t n;
	int r;

	if (cursor_array(&d->in, &n) < 0)
		return refuse(d, s, f, "not a list");
	if (n > f->bound || n > d->n_fds)
		return refuse(d, s, f, "too many elements");
	ret->v = arena_alloc(d->arena, n * sizeof(*ret->v));
	if (!ret->v)
		return no_memory(d);
	for (ret->n = 0; ret->n < n; ret->n++) {
		r = decode_fd(d, s, f, &ret->v[ret->n]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_list(
	struct decoder *d, const struct schema *s, const struct field *f, struct list *ret)
{
	uint32_t n;
	int r;

	if (cursor_array(&d->in, &n) < 0)
		return refuse(d, s, f, "not a list");
	if (n > f->bound || n > (size_t)(d->in.end - d->in.p))
		return refuse(d, s, f, "too many elements");
	ret->v = arena_alloc(d->arena, n * field_schema(f)->size);
	if (!ret->v)
		return no_memory(d);
	for (ret->n = 0; ret->n < n; ret->n++) {
		r = decode_struct(
			d, field_schema(f), (char *)ret->v + ret->n * field_schema(f)->size);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_nested(struct decoder *d, const struct field *f, void **ret)
{
	*ret = arena_alloc(d->arena, field_schema(f)->size);
	if (!*ret)
		return no_memory(d);
	return decode_struct(d, field_schema(f), *ret);
}

static int decode_number(struct decoder *d, const struct schema *s, const struct field *f, void *at)
{
	uint64_t u;
	int64_t i;

	if (f->type == T_I64) {
		if (cursor_i64(&d->in, &i) < 0)
			return refuse(d, s, f, "not a number");
		u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
		*(int64_t *)at = i;
	} else if (cursor_u64(&d->in, &u) < 0) {
		return refuse(d, s, f, "not a natural number");
	} else if (f->type == T_U32) {
		*(uint32_t *)at = (uint32_t)u;
	} else {
		*(uint64_t *)at = u;
	}
	return u > f->bound ? refuse(d, s, f, "out of range") : 0;
}

static int decode_bytes(
	struct decoder *d, const struct schema *s, const struct field *f, struct bytes *ret)
{
	uint8_t *p;

	if (cursor_bin(&d->in, &p, &ret->n) < 0)
		return refuse(d, s, f, "not bytes");
	ret->p = p;
	return ret->n > f->bound ? refuse(d, s, f, "too long") : 0;
}

static int decode_field(struct decoder *d, const struct schema *s, const struct field *f, void *at)
{
	switch ((enum field_type)f->type) {
	case T_BOOL:
		return cursor_bool(&d->in, at) < 0 ? refuse(d, s, f, "not true or false") : 0;
	case T_U32:
	case T_U64:
	case T_I64:
		return decode_number(d, s, f, at);
	case T_STR:
		return decode_str(d, s, f, f->bound, at);
	case T_BYTES:
		return decode_bytes(d, s, f, at);
	case T_STRV:
		return decode_strv(d, s, f, at);
	case T_FD:
		return decode_fd(d, s, f, at);
	case T_FDV:
		return decode_fdv(d, s, f, at);
	case T_LIST:
		return decode_list(d, s, f, at);
	case T_NESTED:
		return decode_nested(d, f, at);
	}
	return -EBADMSG;
}

static int find_field(const struct schema *s, const char *key, uint32_t n)
{
	for (uint32_t i = 0; i < s->n_fields; i++)
		if (strlen(s->fields[i].name) == n && memcmp(s->fields[i].name, key, n) == 0)
			return (int)i;
	return -1;
}

static int decode_struct(struct decoder *d, const struct schema *s, char *obj)
{
	uint64_t seen = 0;
	uint32_t pairs, n;
	char *key;
	int r, i;

	for (uint32_t k = 0; k < s->n_fields; k++)
		if (s->fields[k].type == T_FD)
			*(int *)(void *)(obj + s->fields[k].offset) = -1;
	if (cursor_map(&d->in, &pairs) < 0)
		return err_set(d->e, EBADMSG, "%s: not a map", s->name);
	while (pairs-- > 0) {
		if (cursor_str(&d->in, &key, &n) < 0)
			return err_set(d->e, EBADMSG, "%s: a key is not a string", s->name);
		i = find_field(s, key, n);
		if (i < 0)
			return err_set(d->e, EBADMSG, "%s: unknown key", s->name);
		if (seen & 1ULL << i)
			return refuse(d, s, &s->fields[i], "given twice");
		seen |= 1ULL << i;
		r = decode_field(d, s, &s->fields[i], obj + s->fields[i].offset);
		if (r < 0)
			return r;
	}
	for (uint32_t k = 0; k < s->n_fields; k++)
		if (s->fields[k].need == REQUIRED && !(seen & 1ULL << k))
			return refuse(d, s, &s->fields[k], "missing");
	return 0;
}

int codec_decode(const struct schema *s, uint8_t *buf, size_t len, const int *fds, uint32_t n_fds,
	struct arena *a, void *obj, struct err *e)
{
	struct decoder d = {{buf, buf + len}, fds, n_fds, 0, a, NULL, e};
	int r;

	memset(obj, 0, s->size);
	r = decode_struct(&d, s, obj);
	if (r < 0)
		return r;
	if (d.in.p != d.in.end)
		return err_set(e, EBADMSG, "%s: bytes behind the end", s->name);
	if (d.next_fd != n_fds)
		return err_set(e, EBADMSG, "%s: a descriptor that no field names", s->name);
	for (const struct ends *x = d.ends; x; x = x->next)
		for (uint32_t i = 0; i < x->n; i++)
			*x->v[i] = '\0';
	return 0;
}
