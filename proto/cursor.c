/* SPDX-License-Identifier: MIT */
/*
 * msgpack headers, one function a family. Source: the msgpack specification, formats table.
 * Runs in every process on bytes from less trusted ones.
 */
#include "cursor.h"

#include <errno.h>

static uint64_t big_endian(const uint8_t *p, unsigned int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* A header byte with an n-byte big-endian number behind it. */
static int sized(struct cursor *c, unsigned int n, uint64_t *ret)
{
	if ((size_t)(c->end - c->p) < 1 + (size_t)n)
		return -EBADMSG;
	*ret = big_endian(c->p + 1, n);
	c->p += 1 + n;
	return 0;
}

/* A container's length: `fix` with its length in the low bits, or the 16- and 32-bit forms. */
static int container(struct cursor *c, uint8_t fix, uint8_t form16, uint8_t form32, uint32_t *ret)
{
	uint64_t n;
	int r;

	if (c->p >= c->end)
		return -EBADMSG;
	if ((*c->p & 0xf0) == fix) {
		*ret = *c->p++ & 0x0f;
		return 0;
	}
	if (*c->p != form16 && *c->p != form32)
		return -EBADMSG;
	r = sized(c, *c->p == form16 ? 2 : 4, &n);
	if (r == 0)
		*ret = (uint32_t)n;
	return r;
}

int cursor_map(struct cursor *c, uint32_t *ret_pairs)
{
	return container(c, 0x80, 0xde, 0xdf, ret_pairs);
}

int cursor_array(struct cursor *c, uint32_t *ret_items)
{
	return container(c, 0x90, 0xdc, 0xdd, ret_items);
}

int cursor_bool(struct cursor *c, bool *ret)
{
	if (c->p >= c->end || (*c->p != 0xc2 && *c->p != 0xc3))
		return -EBADMSG;
	*ret = *c->p++ == 0xc3;
	return 0;
}

int cursor_u64(struct cursor *c, uint64_t *ret)
{
	if (c->p >= c->end)
		return -EBADMSG;
	if (*c->p < 0x80) {
		*ret = *c->p++;
		return 0;
	}
	if (*c->p >= 0xcc && *c->p <= 0xcf)
		return sized(c, 1U << (*c->p - 0xcc), ret);
	return -EBADMSG;
}

int cursor_i64(struct cursor *c, int64_t *ret)
{
	uint8_t *start = c->p;
	unsigned int n;
	uint64_t v;
	int r;

	if (c->p >= c->end)
		return -EBADMSG;
	if (*c->p >= 0xe0) {
		*ret = (int8_t)*c->p++;
		return 0;
	}
	if (*c->p < 0xd0 || *c->p > 0xd3) {
		r = cursor_u64(c, &v);
		if (r == 0 && v > INT64_MAX) {
			c->p = start;
			return -EBADMSG;
		}
		if (r == 0)
			*ret = (int64_t)v;
		return r;
	}
	n = 1U << (*c->p - 0xd0);
	r = sized(c, n, &v);
	if (r == 0)
		*ret = (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
	return r;
}

/* The bytes behind a length that has been read; puts the cursor back if they aren't all there. */
static int payload(struct cursor *c, uint8_t *start, uint64_t n, uint8_t **ret, uint32_t *ret_len)
{
	if ((uint64_t)(c->end - c->p) < n) {
		c->p = start;
		return -EBADMSG;
	}
	*ret = c->p;
	*ret_len = (uint32_t)n;
	c->p += n;
	return 0;
}

int cursor_str(struct cursor *c, char **ret, uint32_t *ret_len)
{
	uint8_t *start = c->p, *bytes;
	uint64_t n;
	int r;

	if (c->p >= c->end)
		return -EBADMSG;
	if ((*c->p & 0xe0) == 0xa0)
		n = *c->p++ & 0x1f;
	else if (*c->p < 0xd9 || *c->p > 0xdb)
		return -EBADMSG;
	else if ((r = sized(c, 1U << (*c->p - 0xd9), &n)) < 0)
		return r;
	r = payload(c, start, n, &bytes, ret_len);
	if (r == 0)
		*ret = (char *)bytes;
	return r;
}

int cursor_bin(struct cursor *c, uint8_t **ret, uint32_t *ret_len)
{
	uint8_t *start = c->p;
	uint64_t n;
	int r;

	if (c->p >= c->end || *c->p < 0xc4 || *c->p > 0xc6)
		return -EBADMSG;
	r = sized(c, 1U << (*c->p - 0xc4), &n);
	return r < 0 ? r : payload(c, start, n, ret, ret_len);
}
