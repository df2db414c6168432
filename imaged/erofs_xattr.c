/* SPDX-License-Identifier: MIT */
/*
 * Encodes extended attributes for an EROFS image. Trusts nothing: names and values come from a
 * layer. Runs in imaged --unpack.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "erofs_format.h"
#include "erofs_xattr.h"

struct prefix {
	const char *text;
	enum erofs_xattr_prefix id;
	bool whole; /* the prefix is the complete name */
};

static const struct prefix prefixes[] = {
	{"user.", EROFS_XATTR_USER, false},
	{"trusted.", EROFS_XATTR_TRUSTED, false},
	{"security.", EROFS_XATTR_SECURITY, false},
	{"system.posix_acl_access", EROFS_XATTR_ACL_ACCESS, true},
	{"system.posix_acl_default", EROFS_XATTR_ACL_DEFAULT, true},
};

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static const struct prefix *find_prefix(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		const struct prefix *p = &prefixes[i];

		if (p->whole ? strcmp(name, p->text) == 0
			     : starts_with(name, p->text) && name[strlen(p->text)])
			return p;
	}
	return NULL;
}

static bool is_present(
	const struct erofs_xattr_buf *b, enum erofs_xattr_prefix id, const char *rest, size_t len)
{
	for (uint32_t i = 0; i < b->count; i++) {
		const uint8_t *p = b->body + b->at[i];

		if (p[0] == len && p[1] == id &&
			memcmp(p + sizeof(struct erofs_xattr_entry), rest, len) == 0)
			return true;
	}
	return false;
}

static int add_entry(struct erofs_xattr_buf *b, uint8_t id, const char *rest, const void *value,
	size_t size, struct err *e)
{
	struct erofs_xattr_entry entry = {.prefix = (uint8_t)id};
	size_t len = strlen(rest), need = sizeof(entry) + len + size;
	uint8_t *p;

	if (len > EROFS_NAME_MAX)
		return err_set(e, E2BIG, "name of an extended attribute too long");
	if (b->size == 0)
		b->size = sizeof(struct erofs_xattr_header);
	need = (need + 3) & ~(size_t)3;
	if (size > UINT16_MAX || need > sizeof(b->body) - b->size ||
		b->count == EROFS_XATTR_COUNT_MAX)
		return err_set(e, E2BIG, "extended attributes too large");
	entry.name_len = (uint8_t)len;
	entry.value_size = htole16((uint16_t)size);
	p = b->body + b->size;
	memset(p, 0, need);
	memcpy(p, &entry, sizeof(entry));
	memcpy(p + sizeof(entry), rest, len);
	if (size)
		memcpy(p + sizeof(entry) + len, value, size);
	b->at[b->count++] = b->size;
	b->size += (uint32_t)need;
	return 0;
}

int erofs_xattr_add(
	struct erofs_xattr_buf *b, const char *name, const void *value, size_t size, struct err *e)
{
	const struct prefix *p = find_prefix(name);
	const char *rest;

	if (!p || starts_with(name, "user.overlay.") || starts_with(name, "trusted.overlay."))
		return 0;
	rest = name + strlen(p->text);
	if (is_present(b, p->id, rest, strlen(rest)))
		return 0;
	if (b->size == 0)
		memset(b->body, 0, sizeof(struct erofs_xattr_header));
	return add_entry(b, (uint8_t)p->id, rest, value, size, e);
}

int erofs_xattr_mark(struct erofs_xattr_buf *b, struct erofs_xattrs old, bool opaque, bool implied,
	struct err *e)
{
	int r = 0;

	erofs_xattr_reset(b);
	if (old.size > sizeof(b->body))
		return err_set(e, E2BIG, "extended attributes too large");
	memset(b->body, 0, sizeof(struct erofs_xattr_header));
	if (old.size)
		memcpy(b->body, old.body, old.size);
	b->size = old.size;
	if (opaque)
		r = add_entry(b, EROFS_XATTR_USER, EROFS_MARK_OPAQUE, "y", 1, e);
	if (!r && implied)
		r = add_entry(b, EROFS_XATTR_USER, EROFS_MARK_IMPLIED, "y", 1, e);
	return r;
}

/* One entry of an encoded set; *at starts at 0. False at the end, and where it is damaged, which
 * leaves *at before the end. */
struct decoded {
	uint8_t prefix;
	char rest[EROFS_NAME_MAX + 1];
	const uint8_t *value;
	size_t size;
};

static bool next_entry(struct erofs_xattrs x, uint32_t *at, struct decoded *ret)
{
	struct erofs_xattr_entry entry;
	uint32_t from = *at ? *at : (uint32_t)sizeof(struct erofs_xattr_header), need;

	if (x.size < sizeof(entry) || from > x.size - sizeof(entry))
		return false;
	memcpy(&entry, x.body + from, sizeof(entry));
	need = (uint32_t)sizeof(entry) + entry.name_len + le16toh(entry.value_size);
	need = (need + 3) & ~3u;
	if (need > x.size - from)
		return false;
	ret->prefix = entry.prefix;
	memcpy(ret->rest, x.body + from + sizeof(entry), entry.name_len);
	ret->rest[entry.name_len] = '\0';
	ret->value = x.body + from + sizeof(entry) + entry.name_len;
	ret->size = le16toh(entry.value_size);
	*at = from + need;
	return true;
}

int erofs_xattr_copy_plain(struct erofs_xattr_buf *b, struct erofs_xattrs old, struct err *e)
{
	struct decoded d;
	uint32_t at = 0;
	int r = 0;

	erofs_xattr_reset(b);
	memset(b->body, 0, sizeof(struct erofs_xattr_header));
	while (!r && next_entry(old, &at, &d)) {
		if (d.prefix != EROFS_XATTR_USER || !starts_with(d.rest, "overlay."))
			r = add_entry(b, d.prefix, d.rest, d.value, d.size, e);
	}
	return r || at == old.size ? r : err_set(e, EBADMSG, "damaged extended attributes");
}

bool erofs_xattr_has_user(struct erofs_xattrs x, const char *rest)
{
	struct decoded d;
	uint32_t at = 0;

	while (next_entry(x, &at, &d)) {
		if (d.prefix == EROFS_XATTR_USER && strcmp(d.rest, rest) == 0)
			return true;
	}
	return false;
}
