/* SPDX-License-Identifier: MIT */
/*
 * The extended attributes of one inode, encoded as EROFS wants them between inode and data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define EROFS_XATTRS_MAX      65536u /* encoded bytes of one inode */
#define EROFS_XATTR_COUNT_MAX 512u

/* A view of encoded attributes; size 0 is none. */
struct erofs_xattrs {
	const uint8_t *body;
	uint32_t size;
};

/* Collects attributes of one inode; `names` are offsets of their entries. */
struct erofs_xattr_buf {
	uint32_t size;
	uint32_t count;
	uint32_t at[EROFS_XATTR_COUNT_MAX];
	uint8_t body[EROFS_XATTRS_MAX];
};

static inline void erofs_xattr_reset(struct erofs_xattr_buf *b)
{
	b->size = 0;
	b->count = 0;
}

static inline struct erofs_xattrs erofs_xattr_view(const struct erofs_xattr_buf *b)
{
	return (struct erofs_xattrs){.body = b->body, .size = b->size};
}

/* Adds one attribute by its full name. The first value of a name stays. Names outside user.,
 * trusted., security. and the two POSIX ACLs are left out, since EROFS can't hold them; so are
 * user.overlay.* and trusted.overlay.*, which would be orders from the image to overlayfs.
 * -E2BIG over the bounds. */
int erofs_xattr_add(
	struct erofs_xattr_buf *b, const char *name, const void *value, size_t size, struct err *e);

/* Continues an encoded set, to add overlay's opaque mark for a mount with userxattr. */
int erofs_xattr_add_opaque(struct erofs_xattr_buf *b, struct erofs_xattrs old, struct err *e);
