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

/* Our own marks on a directory, under the prefix that overlayfs (mounted with userxattr) keeps from
 * everybody's eyes. Opaque is overlay's; it knows nothing of implied, which layer_dirs() reads. */
#define EROFS_MARK_OPAQUE  "overlay.opaque"
#define EROFS_MARK_IMPLIED "overlay.implied"

/* Starts over with a copy of an encoded set, and adds marks. */
int erofs_xattr_mark(struct erofs_xattr_buf *b, struct erofs_xattrs old, bool opaque, bool implied,
	struct err *e);

/* Starts over with a copy of an encoded set but overlay's attributes and our marks. -EBADMSG if it
 * is damaged. */
int erofs_xattr_copy_plain(struct erofs_xattr_buf *b, struct erofs_xattrs old, struct err *e);

/* True if an encoded set has this user.* attribute. */
bool erofs_xattr_has_user(struct erofs_xattrs x, const char *rest);
