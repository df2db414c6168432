/* SPDX-License-Identifier: MIT */
/*
 * Encoding: msgpack-c's packer driven by the schema's rows. Absent fields are left out; a field
 * over its bound is an error here, so that what was sent can always be read.
 */
#include "codec.h"

#include <errno.h>
#include <string.h>

#include <msgpack/pack.h>
#include <msgpack/sbuffer.h>

struct encoder {
	msgpack_sbuffer out;
	msgpack_packer pk;
	struct fdset *fds;
	struct err *e;
};

static int encode_struct(struct encoder *c, const struct schema *s, const char *obj);

static int refuse(struct encoder *c, const struct schema *s, const struct field *f, const char *why)
{
	return err_set(c->e, EINVAL, "%s.%s: %s", s->name, f->name, why);
}

static bool is_absent(const struct field *f, const void *at)
{
	switch ((enum field_type)f->type) {
	case T_BOOL:
		return !*(const bool *)at;
	case T_U32:
		return *(const uint32_t *)at == 0;
	case T_U64:
		return *(const uint64_t *)at == 0;
	case T_I64:
		return *(const int64_t *)at == 0;
	case T_STR:
		return !*(const char *const *)at;
	case T_BYTES:
		return !((const struct bytes *)at)->p;
	case T_STRV:
		return ((const struct strv *)at)->n == 0;
	case T_FD:
		return *(const int *)at < 0;
	case T_FDV:
		return ((const struct fdv *)at)->n == 0;
	case T_LIST:
		return ((const struct list *)at)->n == 0;
	case T_NESTED:
		return !*(const void *const *)at;
	}
	return true;
}

static void put_str(struct encoder *c, const char *p)
{
	size_t n = strlen(p);

	msgpack_pack_str(&c->pk, n);
	msgpack_pack_str_body(&c->pk, p, n);
}

static int encode_str(struct encoder *c, const struct schema *s, const struct field *f,
	const char *p, uint64_t bound)
{
	if (!p)
		return refuse(c, s, f, "missing");
	if (strlen(p) > bound)
		return refuse(c, s, f, "too long");
	put_str(c, p);
	return 0;
}

static int encode_fds(
	struct encoder *c, const struct schema *s, const struct field *f, const int *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!c->fds || v[i] < 0 || c->fds->n == FRAME_FDS_MAX)
			return refuse(c, s, f, "not a descriptor, or too many");
		msgpack_pack_uint32(&c->pk, c->fds->n);
		c->fds->v[c->fds->n++] = v[i];
	}
	return 0;
}

static int encode_number(
	struct encoder *c, const struct schema *s, const struct field *f, const void *at)
{
	int64_t i = f->type == T_I64 ? *(const int64_t *)at : 0;
	uint64_t u = f->type == T_U32	? *(const uint32_t *)at
		     : f->type == T_U64 ? *(const uint64_t *)at
		     : i < 0		? 0 - (uint64_t)i
					: (uint64_t)i;

	if (u > f->bound)
		return refuse(c, s, f, "out of range");
	if (f->type == T_I64)
		msgpack_pack_int64(&c->pk, i);
	else
		msgpack_pack_uint64(&c->pk, u);
	return 0;
}

static int encode_many(
	struct encoder *c, const struct schema *s, const struct field *f, const void *at)
{
	const struct strv *sv = at;
	const struct list *l = at;
	uint32_t n = l->n; /* strv, fdv and list have n at the same place */
	int r = 0;

	if (n > f->bound)
		return refuse(c, s, f, "too many elements");
	msgpack_pack_array(&c->pk, n);
	if (f->type == T_FDV)
		return encode_fds(c, s, f, ((const struct fdv *)at)->v, n);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = f->type == T_STRV ? encode_str(c, s, f, sv->v[i], ITEM_MAX)
				      : encode_struct(c, field_schema(f),
						(const char *)l->v + i * field_schema(f)->size);
	return r;
}

static int encode_field(
	struct encoder *c, const struct schema *s, const struct field *f, const void *at)
{
	const struct bytes *b = at;

	switch ((enum field_type)f->type) {
	case T_BOOL:
		if (*(const bool *)at)
			msgpack_pack_true(&c->pk);
		else
			msgpack_pack_false(&c->pk);
		return 0;
	case T_U32:
	case T_U64:
	case T_I64:
		return encode_number(c, s, f, at);
	case T_STR:
		return encode_str(c, s, f, *(const char *const *)at, f->bound);
	case T_BYTES:
		if (b->n > f->bound)
			return refuse(c, s, f, "too long");
		msgpack_pack_bin(&c->pk, b->n);
		if (b->n > 0)
			msgpack_pack_bin_body(&c->pk, b->p, b->n);
		return 0;
	case T_STRV:
	case T_FDV:
	case T_LIST:
		return encode_many(c, s, f, at);
	case T_FD:
		return encode_fds(c, s, f, at, 1);
	case T_NESTED:
		if (!*(const void *const *)at)
			return refuse(c, s, f, "missing");
		return encode_struct(c, field_schema(f), *(const char *const *)at);
	}
	return -EINVAL;
}

static int encode_struct(struct encoder *c, const struct schema *s, const char *obj)
{
	const struct field *f = s->fields, *end = f + s->n_fields;
	uint32_t n = 0;
	int r = 0;

	for (const struct field *x = f; x < end; x++)
		n += x->need == REQUIRED || !is_absent(x, obj + x->offset);
	msgpack_pack_map(&c->pk, n);
	for (; f < end && r == 0; f++) {
		if (f->need == OPTIONAL && is_absent(f, obj + f->offset))
			continue;
		put_str(c, f->name);
		r = encode_field(c, s, f, obj + f->offset);
	}
	return r;
}

int codec_encode(const struct schema *s, const void *obj, size_t max, struct fdset *fds,
	uint8_t **ret, size_t *ret_len, struct err *e)
{
	struct encoder c = {.fds = fds, .e = e};
	int r;

	if (fds)
		fds->n = 0;
	msgpack_sbuffer_init(&c.out);
	msgpack_packer_init(&c.pk, &c.out, msgpack_sbuffer_write);
	r = encode_struct(&c, s, obj);
	if (r == 0 && c.out.size > max)
		r = err_set(e, EMSGSIZE, "%s: larger than %zu bytes", s->name, max);
	if (r == 0 && !c.out.data)
		r = err_set(e, ENOMEM, "%s: out of memory", s->name);
	if (r < 0) {
		msgpack_sbuffer_destroy(&c.out);
		return r;
	}
	*ret_len = c.out.size;
	*ret = (uint8_t *)msgpack_sbuffer_release(&c.out);
	return 0;
}

int codec_copy(const struct schema *s, const void *src, uint8_t **ret_buf, struct arena *a,
	void *dst, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	uint8_t *spare;
	size_t len;
	int r;

	r = codec_encode(s, src, SIZE_MAX, NULL, &buf, &len, e);
	if (r < 0)
		return r;
	spare = realloc(buf, len + 1);
	if (!spare)
		return err_set(e, ENOMEM, "%s: out of memory", s->name);
	buf = spare;
	r = codec_decode(s, buf, len, NULL, 0, a, dst, e);
	if (r < 0)
		return r;
	*ret_buf = TAKE_PTR(buf);
	return 0;
}
