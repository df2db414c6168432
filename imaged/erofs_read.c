/* SPDX-License-Identifier: MIT */
/*
 * Reads directories of EROFS images back. Trusts no offset in them, though they are our own: they
 * have lain on a disk. Runs in imaged --unpack.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "erofs_read.h"

static int damaged(struct err *e)
{
	return err_set(e, EBADMSG, "damaged layer image");
}

static int read_at(struct erofs_map *m, uint64_t at, void *p, size_t n, struct err *e)
{
	ssize_t r;

	if (at > m->size || n > m->size - at)
		return damaged(e);
	do {
		r = pread(m->fd, p, n, (off_t)at);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_errno(e, errno, "layer image");
	return (size_t)r == n ? 0 : damaged(e);
}

int erofs_map_open(int fd, struct erofs_map *ret, struct err *e)
{
	struct erofs_super_block sb;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(e, errno, "layer image");
	*ret = (struct erofs_map){.fd = fd, .size = (uint64_t)st.st_size};
	r = read_at(ret, EROFS_SUPER_OFFSET, &sb, sizeof(sb), e);
	if (r)
		return r;
	if (le32toh(sb.magic) != EROFS_MAGIC)
		return damaged(e);
	ret->root = le16toh(sb.root_nid);
	ret->xattrs = malloc(EROFS_XATTRS_MAX);
	return ret->xattrs ? 0 : err_errno(e, ENOMEM, "layer image");
}

void erofs_map_close(struct erofs_map *m)
{
	free(m->xattrs);
	m->xattrs = NULL;
}

static uint64_t xattrs_at(const struct erofs_found *i)
{
	return i->nid * EROFS_SLOT + sizeof(struct erofs_inode);
}

int erofs_map_xattrs(struct erofs_map *m, const struct erofs_found *found, struct erofs_xattrs *ret,
	struct err *e)
{
	if (found->xattr_size > EROFS_XATTRS_MAX)
		return damaged(e);
	*ret = (struct erofs_xattrs){.body = m->xattrs, .size = found->xattr_size};
	return read_at(m, xattrs_at(found), m->xattrs, found->xattr_size, e);
}

int erofs_map_inode(struct erofs_map *m, uint64_t nid, struct erofs_found *ret, struct err *e)
{
	struct erofs_xattrs xattrs;
	struct erofs_inode d;
	int r = nid > m->size ? damaged(e) : read_at(m, nid * EROFS_SLOT, &d, sizeof(d), e);

	if (r)
		return r;
	*ret = (struct erofs_found){
		.nid = nid,
		.size = le64toh(d.size),
		.data_at = (uint64_t)le32toh(d.start_or_rdev) * EROFS_BLOCK,
		.tail_inline = le16toh(d.format) == EROFS_EXTENDED_INLINE,
		.attr =
			{
				.mode = le16toh(d.mode),
				.uid = le32toh(d.uid),
				.gid = le32toh(d.gid),
				.mtime = (int64_t)le64toh(d.mtime),
				.mtime_nsec = le32toh(d.mtime_nsec),
			},
	};
	if (!d.xattr_count)
		return 0;
	ret->xattr_size =
		(uint32_t)sizeof(struct erofs_xattr_header) + 4 * (le16toh(d.xattr_count) - 1u);
	r = erofs_map_xattrs(m, ret, &xattrs, e);
	if (r)
		return r;
	ret->opaque = erofs_xattr_has_user(xattrs, EROFS_MARK_OPAQUE);
	ret->implied = erofs_xattr_has_user(xattrs, EROFS_MARK_IMPLIED);
	return 0;
}

/* The block of a directory that begins at offset `at` of its content is m->block then. */
static int load_block(
	struct erofs_map *m, const struct erofs_found *dir, uint64_t at, struct err *e)
{
	size_t len = (size_t)MIN(EROFS_BLOCK, dir->size - at);
	uint64_t from = dir->data_at + at;
	int r;

	if (dir->tail_inline && len < EROFS_BLOCK)
		from = xattrs_at(dir) + dir->xattr_size;
	if (m->block_at == from && m->block_len == len)
		return 0;
	m->block_len = 0;
	r = read_at(m, from, m->block, len, e);
	if (r)
		return r;
	m->block_at = from;
	m->block_len = len;
	return 0;
}

static int parse_entry(
	const uint8_t *block, size_t len, size_t i, struct erofs_map_name *ret, size_t *ret_count)
{
	struct erofs_dirent first, d, next;
	size_t end, at;

	if (len < sizeof(first))
		return -EBADMSG;
	memcpy(&first, block, sizeof(first));
	*ret_count = le16toh(first.name_at) / sizeof(first);
	if (i >= *ret_count || *ret_count * sizeof(first) > len)
		return -EBADMSG;
	memcpy(&d, block + i * sizeof(d), sizeof(d));
	at = le16toh(d.name_at);
	if (at >= len)
		return -EBADMSG;
	end = at + strnlen((const char *)block + at, len - at);
	if (i + 1 < *ret_count) {
		memcpy(&next, block + (i + 1) * sizeof(next), sizeof(next));
		end = le16toh(next.name_at);
	}
	if (end <= at || end > len || end - at > EROFS_NAME_MAX)
		return -EBADMSG;
	*ret = (struct erofs_map_name){.text = (const char *)block + at,
		.len = end - at,
		.nid = le64toh(d.nid),
		.type = d.type};
	return 0;
}

int erofs_map_next(struct erofs_map *m, const struct erofs_found *dir, uint64_t *at,
	struct erofs_map_name *ret, struct err *e)
{
	/* *at counts blocks in its high part, entries of the block in its low bits */
	uint64_t start = *at / EROFS_BLOCK * EROFS_BLOCK;
	size_t count;
	int r;

	if (start >= dir->size)
		return 0;
	r = load_block(m, dir, start, e);
	if (r)
		return r;
	if (parse_entry(m->block, m->block_len, (size_t)(*at % EROFS_BLOCK), ret, &count) < 0)
		return damaged(e);
	*at = *at % EROFS_BLOCK + 1 < count ? *at + 1 : start + EROFS_BLOCK;
	return 1;
}

int erofs_map_lookup(struct erofs_map *m, const struct erofs_found *dir, const char *name,
	size_t len, struct erofs_found *ret, struct err *e)
{
	struct erofs_map_name entry;
	uint64_t at = 0;
	int r;

	while ((r = erofs_map_next(m, dir, &at, &entry, e)) > 0) {
		if (entry.len == len && memcmp(entry.text, name, len) == 0)
			return erofs_map_inode(m, entry.nid, ret, e);
	}
	return r < 0 ? r : -ENOENT;
}
