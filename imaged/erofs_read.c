/* SPDX-License-Identifier: MIT */
/*
 * Reads directories of EROFS images back. Trusts no offset in them, though they are our own: they
 * have lain on a disk. Runs in imaged --unpack.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "erofs_read.h"

static int damaged(struct err *e)
{
	return err_set(e, EBADMSG, "damaged layer image");
}

static const uint8_t *bytes_at(const struct erofs_map *m, uint64_t at, uint64_t n)
{
	return at > m->size || n > m->size - at ? NULL : m->p + at;
}

int erofs_map_open(int fd, struct erofs_map *ret, struct err *e)
{
	struct erofs_super_block sb;
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return err_errno(e, errno, "layer image");
	if (st.st_size < (off_t)EROFS_BLOCK)
		return damaged(e);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_errno(e, errno, "layer image");
	memcpy(&sb, (const uint8_t *)p + EROFS_SUPER_OFFSET, sizeof(sb));
	*ret = (struct erofs_map){
		.p = p, .size = (uint64_t)st.st_size, .root = le16toh(sb.root_nid)};
	if (le32toh(sb.magic) == EROFS_MAGIC)
		return 0;
	erofs_map_close(ret);
	return damaged(e);
}

void erofs_map_close(struct erofs_map *m)
{
	if (m->p)
		munmap((void *)(uintptr_t)m->p, m->size);
	m->p = NULL;
}

int erofs_map_inode(const struct erofs_map *m, uint64_t nid, struct erofs_found *ret, struct err *e)
{
	const uint8_t *p =
		nid > m->size ? NULL : bytes_at(m, nid * EROFS_SLOT, sizeof(struct erofs_inode));
	struct erofs_inode d;
	uint32_t units;

	if (!p)
		return damaged(e);
	memcpy(&d, p, sizeof(d));
	units = le16toh(d.xattr_count);
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
	if (!units)
		return 0;
	ret->xattrs.size = (uint32_t)sizeof(struct erofs_xattr_header) + 4 * (units - 1);
	ret->xattrs.body = bytes_at(m, nid * EROFS_SLOT + sizeof(d), ret->xattrs.size);
	return ret->xattrs.body ? 0 : damaged(e);
}

/* The block of a directory that begins at offset `at` of its content, and its length. */
static const uint8_t *dir_block(
	const struct erofs_map *m, const struct erofs_found *dir, uint64_t at, size_t *ret_len)
{
	*ret_len = (size_t)MIN(EROFS_BLOCK, dir->size - at);
	if (dir->tail_inline && *ret_len < EROFS_BLOCK)
		return bytes_at(m,
			dir->nid * EROFS_SLOT + sizeof(struct erofs_inode) + dir->xattrs.size,
			*ret_len);
	return bytes_at(m, dir->data_at + at, *ret_len);
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

int erofs_map_next(const struct erofs_map *m, const struct erofs_found *dir, uint64_t *at,
	struct erofs_map_name *ret, struct err *e)
{
	/* *at counts blocks in its high part, entries of the block in its low bits */
	uint64_t start = *at / EROFS_BLOCK * EROFS_BLOCK;
	const uint8_t *block;
	size_t len, count;

	if (start >= dir->size)
		return 0;
	block = dir_block(m, dir, start, &len);
	if (!block || parse_entry(block, len, (size_t)(*at % EROFS_BLOCK), ret, &count) < 0)
		return damaged(e);
	*at = *at % EROFS_BLOCK + 1 < count ? *at + 1 : start + EROFS_BLOCK;
	return 1;
}

int erofs_map_lookup(const struct erofs_map *m, const struct erofs_found *dir, const char *name,
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
