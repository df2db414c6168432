/* SPDX-License-Identifier: MIT */
/*
 * A reader and checker of EROFS images for tests, written from the kernel's format description
 * and sharing no code with the writer but the structs. Any breach of the format ends the test
 * through READER_FAIL(text), which the including file defines and which must not return.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imaged/erofs_format.h"

struct reader {
	const uint8_t *p;
	uint64_t size;
};

struct reader_inode {
	uint64_t nid, at, size, data_at, xattr_bytes;
	int64_t mtime;
	uint32_t mode, uid, gid, nsec, nlink, rdev;
	bool tail_inline;
};

struct reader_visit {
	const char *path; /* "" for the root */
	const struct reader_inode *inode;
};

static inline const uint8_t *reader_at(const struct reader *r, uint64_t at, uint64_t n)
{
	if (at > r->size || n > r->size - at)
		READER_FAIL("points outside the image");
	return r->p + at;
}

static inline uint32_t reader_crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = (crc >> 1) ^ (0x82F63B78u & -(crc & 1));
	}
	return crc;
}

static inline struct reader_inode reader_inode(const struct reader *r, uint64_t nid)
{
	struct reader_inode i = {.nid = nid, .at = nid * EROFS_SLOT};
	struct erofs_inode d;
	uint32_t tail;

	memcpy(&d, reader_at(r, i.at, sizeof(d)), sizeof(d));
	if (le16toh(d.format) != EROFS_EXTENDED_PLAIN && le16toh(d.format) != EROFS_EXTENDED_INLINE)
		READER_FAIL("bad inode format");
	i.tail_inline = le16toh(d.format) == EROFS_EXTENDED_INLINE;
	i.size = le64toh(d.size);
	i.mode = le16toh(d.mode);
	i.uid = le32toh(d.uid);
	i.gid = le32toh(d.gid);
	i.mtime = (int64_t)le64toh(d.mtime);
	i.nsec = le32toh(d.mtime_nsec);
	i.nlink = le32toh(d.nlink);
	i.rdev = le32toh(d.start_or_rdev);
	i.data_at = (uint64_t)i.rdev * EROFS_BLOCK;
	if (le16toh(d.xattr_count))
		i.xattr_bytes =
			sizeof(struct erofs_xattr_header) + 4u * (le16toh(d.xattr_count) - 1u);
	reader_at(r, i.at + sizeof(d), i.xattr_bytes);
	tail = (uint32_t)(i.size % EROFS_BLOCK);
	if (i.nsec > 999999999 || i.nlink == 0)
		READER_FAIL("bad time or link count");
	if (i.tail_inline && (i.at + sizeof(d) + i.xattr_bytes) % EROFS_BLOCK + tail > EROFS_BLOCK)
		READER_FAIL("inline tail crosses a block");
	return i;
}

/* The content, NUL-terminated; the caller frees it. */
static inline char *reader_content(const struct reader *r, const struct reader_inode *i)
{
	uint64_t whole = i->tail_inline ? i->size - i->size % EROFS_BLOCK : i->size;
	char *p;

	reader_at(r, 0, i->size > r->size ? i->size : 0);
	p = malloc(i->size + 1);
	if (!p)
		READER_FAIL("no memory");
	if (whole)
		memcpy(p, reader_at(r, i->data_at, whole), whole);
	if (i->size > whole)
		memcpy(p + whole,
			reader_at(r, i->at + sizeof(struct erofs_inode) + i->xattr_bytes,
				i->size - whole),
			i->size - whole);
	p[i->size] = '\0';
	return p;
}

/* The value of an attribute by prefix and rest, NULL if absent. Checks all entries on its way. */
static inline const uint8_t *reader_xattr(const struct reader *r, const struct reader_inode *i,
	uint8_t prefix, const char *rest, size_t *ret_size)
{
	uint64_t at = i->at + sizeof(struct erofs_inode), end = at + i->xattr_bytes;
	const uint8_t *found = NULL;

	for (at += sizeof(struct erofs_xattr_header); i->xattr_bytes && at < end;) {
		struct erofs_xattr_entry x;
		uint64_t body;

		memcpy(&x, reader_at(r, at, sizeof(x)), sizeof(x));
		body = (uint64_t)x.name_len + le16toh(x.value_size);
		if (at + sizeof(x) + body > end || x.prefix == 0 || x.prefix > 6)
			READER_FAIL("bad extended attribute");
		if (x.prefix == prefix && x.name_len == strlen(rest) &&
			memcmp(r->p + at + sizeof(x), rest, x.name_len) == 0) {
			found = r->p + at + sizeof(x) + x.name_len;
			*ret_size = le16toh(x.value_size);
		}
		at += (sizeof(x) + body + 3) & ~3ull;
	}
	return found;
}

static inline uint8_t reader_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EROFS_REG;
	case S_IFDIR:
		return EROFS_DIR;
	case S_IFCHR:
		return EROFS_CHR;
	case S_IFBLK:
		return EROFS_BLK;
	case S_IFIFO:
		return EROFS_FIFO;
	case S_IFLNK:
		return EROFS_LNK;
	default:
		READER_FAIL("bad file type");
	}
}

struct reader_name {
	const char *text;
	uint32_t len;
	uint64_t nid;
	uint8_t type;
};

/* Steps through the entries of a directory's content: *at starts at 0. False at the end. */
static inline bool reader_next(
	const char *dir, uint64_t size, uint64_t *at, struct reader_name *ret)
{
	uint64_t block = *at / EROFS_BLOCK * EROFS_BLOCK, i = *at % EROFS_BLOCK, n, end;
	struct erofs_dirent first, d, next;

	if (block + sizeof(d) > size)
		return false;
	end = size - block < EROFS_BLOCK ? size - block : EROFS_BLOCK;
	memcpy(&first, dir + block, sizeof(first));
	n = le16toh(first.name_at) / sizeof(d);
	if (n == 0 || le16toh(first.name_at) % sizeof(d) || n * sizeof(d) > end)
		READER_FAIL("bad directory block");
	memcpy(&d, dir + block + i * sizeof(d), sizeof(d));
	ret->text = dir + block + le16toh(d.name_at);
	if (i + 1 < n) {
		memcpy(&next, dir + block + (i + 1) * sizeof(d), sizeof(next));
		ret->len = (uint32_t)le16toh(next.name_at) - le16toh(d.name_at);
	} else {
		ret->len = (uint32_t)strnlen(ret->text, end - le16toh(d.name_at));
	}
	if (ret->len == 0 || ret->len > EROFS_NAME_MAX || le16toh(d.name_at) + ret->len > end)
		READER_FAIL("bad name in a directory");
	ret->nid = le64toh(d.nid);
	ret->type = d.type;
	*at = i + 1 < n ? *at + 1 : block + EROFS_BLOCK;
	return true;
}

static inline struct reader reader_open(const uint8_t *p, uint64_t size, uint64_t *ret_root)
{
	struct reader r = {.p = p, .size = size};
	struct erofs_super_block sb;
	uint8_t block[EROFS_BLOCK];

	memcpy(block, reader_at(&r, 0, sizeof(block)), sizeof(block));
	memcpy(&sb, block + EROFS_SUPER_OFFSET, sizeof(sb));
	if (le32toh(sb.magic) != EROFS_MAGIC || sb.feature_incompat || sb.block_bits != 12)
		READER_FAIL("bad super block");
	if ((uint64_t)le32toh(sb.blocks) * EROFS_BLOCK != size)
		READER_FAIL("size differs from the super block's");
	memset(block + EROFS_SUPER_OFFSET + 4, 0, 4);
	if (reader_crc32c(block + EROFS_SUPER_OFFSET, EROFS_BLOCK - EROFS_SUPER_OFFSET) !=
		le32toh(sb.checksum))
		READER_FAIL("bad checksum");
	*ret_root = le16toh(sb.root_nid);
	return r;
}

/* The inode of "a/b/c"; false if there is none. */
static inline bool reader_find(
	const struct reader *r, uint64_t root, const char *path, struct reader_inode *ret)
{
	*ret = reader_inode(r, root);
	while (*path) {
		size_t len = strcspn(path, "/");
		struct reader_name name = {0};
		bool found = false;
		uint64_t at = 0;
		char *dir;

		if (!S_ISDIR(ret->mode))
			return false;
		dir = reader_content(r, ret);
		while (!found && reader_next(dir, ret->size, &at, &name))
			found = name.len == len && memcmp(name.text, path, len) == 0;
		free(dir);
		if (!found)
			return false;
		*ret = reader_inode(r, name.nid);
		path += len + (path[len] == '/');
	}
	return true;
}

struct reader_walk {
	const struct reader *r;
	void (*fn)(const struct reader_visit *v, void *ctx);
	void *ctx;
	uint32_t *links; /* names seen of each nid */
	uint64_t slots;
	char path[8192];
};

static inline void reader_check_order(
	const struct reader_name *last, const struct reader_name *name)
{
	uint32_t n = last->len < name->len ? last->len : name->len;
	int c = n ? memcmp(last->text, name->text, n) : 0;

	if (last->len && (c > 0 || (c == 0 && last->len >= name->len)))
		READER_FAIL("directory is not sorted");
}

static inline void reader_walk_dir(
	struct reader_walk *w, const struct reader_inode *i, uint64_t parent, size_t len);

static inline void reader_walk_name(struct reader_walk *w, const struct reader_inode *dir,
	uint64_t parent, const struct reader_name *name, size_t len)
{
	bool dot = name->len == 1 && name->text[0] == '.';
	bool dotdot = name->len == 2 && memcmp(name->text, "..", 2) == 0;
	struct reader_inode i = reader_inode(w->r, name->nid);
	struct reader_visit v = {.path = w->path, .inode = &i};
	char *content;

	if (name->type != reader_type(i.mode))
		READER_FAIL("type of a name differs from its inode's");
	if (memchr(name->text, '/', name->len) || name->nid >= w->slots)
		READER_FAIL("bad name");
	w->links[name->nid]++;
	if ((dot && name->nid != dir->nid) || (dotdot && name->nid != parent))
		READER_FAIL("wrong . or ..");
	if (dot || dotdot)
		return;
	if (len + name->len + 2 > sizeof(w->path))
		READER_FAIL("path too long");
	snprintf(w->path + len, sizeof(w->path) - len, "%s%.*s", len ? "/" : "", (int)name->len,
		name->text);
	if (w->fn)
		w->fn(&v, w->ctx);
	if (S_ISDIR(i.mode)) {
		if (w->links[name->nid] > 1)
			READER_FAIL("directory with two names");
		reader_walk_dir(w, &i, dir->nid, len + (len ? 1 : 0) + name->len);
	} else if (S_ISREG(i.mode) || S_ISLNK(i.mode)) {
		content = reader_content(w->r, &i);
		if (S_ISLNK(i.mode) && (i.size == 0 || strlen(content) != i.size))
			READER_FAIL("bad symbolic link");
		free(content);
	}
	w->path[len] = '\0';
}

static inline void reader_walk_dir(
	struct reader_walk *w, const struct reader_inode *i, uint64_t parent, size_t len)
{
	struct reader_name name = {0}, last = {0};
	char *dir = reader_content(w->r, i);
	uint64_t at = 0, seen = 0;
	size_t ignored;

	reader_xattr(w->r, i, 0, "", &ignored);
	while (reader_next(dir, i->size, &at, &name)) {
		reader_check_order(&last, &name);
		seen += (name.len == 1 && name.text[0] == '.') ||
			(name.len == 2 && memcmp(name.text, "..", 2) == 0);
		reader_walk_name(w, i, parent, &name, len);
		last = name;
	}
	if (seen != 2)
		READER_FAIL("no . or ..");
	free(dir);
}

static inline void reader_check_links(struct reader_walk *w)
{
	uint64_t inodes = 0;
	struct erofs_super_block sb;

	for (uint64_t nid = 0; nid < w->slots; nid++) {
		if (!w->links[nid])
			continue;
		inodes++;
		if (reader_inode(w->r, nid).nlink != w->links[nid])
			READER_FAIL("wrong link count");
	}
	memcpy(&sb, w->r->p + EROFS_SUPER_OFFSET, sizeof(sb));
	if (le64toh(sb.inodes) != inodes)
		READER_FAIL("wrong number of inodes");
}

/* Reads everything and calls fn (may be NULL) for each name but the root. A directory's link count
 * is that of its names, "." of itself and ".." of its children, which is what is counted. */
static inline void reader_walk(const struct reader *r, uint64_t root,
	void (*fn)(const struct reader_visit *, void *), void *ctx)
{
	struct reader_inode i = reader_inode(r, root);
	struct reader_walk w = {.r = r, .fn = fn, .ctx = ctx, .slots = r->size / EROFS_SLOT};

	w.links = calloc(w.slots, sizeof(*w.links));
	if (!w.links || !S_ISDIR(i.mode))
		READER_FAIL("no root directory");
	reader_walk_dir(&w, &i, root, 0);
	reader_check_links(&w);
	free(w.links);
}
