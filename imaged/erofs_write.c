/* SPDX-License-Identifier: MIT */
/*
 * Places data and inodes of an EROFS image. Directories are erofs_dir.c's. Trusts its caller for
 * sane numbers, not for how much there is of them. Runs in imaged --unpack.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "erofs_writer.h"

static uint32_t encode_rdev(uint64_t rdev)
{
	uint32_t hi = major(rdev), lo = minor(rdev);

	/* new_encode_dev() of include/linux/kdev_t.h */
	return (lo & 0xff) | (hi << 8) | ((lo & ~0xffu) << 12);
}

uint32_t erofs_inode_encode(const struct erofs_inode_info *i, uint8_t out[EROFS_INODE_SIZE])
{
	bool is_device = S_ISCHR(i->attr->mode) || S_ISBLK(i->attr->mode);
	struct erofs_inode d = {
		.format = htole16(i->tail_inline ? EROFS_EXTENDED_INLINE : EROFS_EXTENDED_PLAIN),
		.xattr_count = htole16(erofs_xattr_units(i->xattrs)),
		.mode = htole16(i->attr->mode),
		.size = htole64(i->size),
		.start_or_rdev = htole32(is_device ? encode_rdev(i->rdev)
						   : (uint32_t)(i->data_at >> EROFS_BLOCK_BITS)),
		.ino = htole32(i->ino),
		.uid = htole32(i->attr->uid),
		.gid = htole32(i->attr->gid),
		.mtime = htole64((uint64_t)i->attr->mtime),
		.mtime_nsec = htole32(i->attr->mtime_nsec),
		.nlink = htole32(i->nlink),
	};

	memcpy(out, &d, sizeof(d));
	return sizeof(d);
}

int erofs_writer_open(int fd, struct erofs_writer **ret, struct err *e)
{
	struct erofs_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_errno(e, ENOMEM, "image writer");
	r = out_open(&w->out, fd, e);
	if (!r)
		r = out_zeros(&w->out, EROFS_BLOCK, e);
	if (r) {
		erofs_writer_close(&w);
		return r;
	}
	w->data_at = EROFS_BLOCK;
	*ret = w;
	return 0;
}

void erofs_writer_close(struct erofs_writer **w)
{
	if (!*w)
		return;
	out_close(&(*w)->out);
	free(*w);
	*w = NULL;
}

int erofs_data_append(struct erofs_writer *w, const void *p, size_t n, struct err *e)
{
	return out_append(&w->out, p, n, e);
}

int erofs_data_skip(struct erofs_writer *w, uint64_t n, struct err *e)
{
	return out_zeros(&w->out, n, e);
}

static int pack_close(struct erofs_writer *w, struct erofs_pack *p, struct err *e)
{
	int r = 0;

	if (p->at)
		r = out_patch(&w->out, p->at, p->bytes, sizeof(p->bytes), e);
	memset(p, 0, sizeof(*p));
	return r;
}

int erofs_packs_close(struct erofs_writer *w, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < PACKS && !r; i++)
		r = pack_close(w, &w->packs[i], e);
	return r;
}

/* Best fit among the open blocks; if none has room, the fullest makes place for a new one. */
static int pack_find(struct erofs_writer *w, uint32_t need, struct erofs_pack **ret, struct err *e)
{
	struct erofs_pack *best = NULL, *fullest = &w->packs[0];
	int r;

	for (size_t i = 0; i < PACKS; i++) {
		struct erofs_pack *p = &w->packs[i];

		if (p->at && EROFS_BLOCK - p->used >= need && (!best || p->used > best->used))
			best = p;
		if (fullest->at && (!p->at || p->used > fullest->used))
			fullest = p;
	}
	*ret = best ? best : fullest;
	if (best)
		return 0;
	r = pack_close(w, fullest, e);
	if (r)
		return r;
	fullest->at = out_pos(&w->out);
	return out_append(&w->out, fullest->bytes, sizeof(fullest->bytes), e);
}

static int put_packed(struct erofs_writer *w, const struct erofs_inode_info *i, const uint8_t *tail,
	uint32_t tail_size, struct erofs_node *node, struct err *e)
{
	struct erofs_pack *p;
	int r = pack_find(w, EROFS_INODE_SIZE + i->xattrs.size + tail_size, &p, e);

	if (r)
		return r;
	node->at = p->at + p->used;
	p->used += erofs_inode_encode(i, p->bytes + p->used);
	if (i->xattrs.size)
		memcpy(p->bytes + p->used, i->xattrs.body, i->xattrs.size);
	p->used += i->xattrs.size;
	memcpy(p->bytes + p->used, tail, tail_size);
	p->used += tail_size;
	p->used = MIN((p->used + EROFS_SLOT - 1) & ~(EROFS_SLOT - 1), EROFS_BLOCK);
	return 0;
}

/* An inode with more attributes than a block holds lies in blocks of its own. */
static int put_alone(struct erofs_writer *w, const struct erofs_inode_info *i,
	struct erofs_node *node, struct err *e)
{
	uint8_t inode[EROFS_INODE_SIZE];
	int r;

	node->at = out_pos(&w->out);
	erofs_inode_encode(i, inode);
	r = out_append(&w->out, inode, sizeof(inode), e);
	if (!r)
		r = out_append(&w->out, i->xattrs.body, i->xattrs.size, e);
	return r ? r : out_align(&w->out, EROFS_BLOCK, e);
}

int erofs_inode_put(struct erofs_writer *w, const struct erofs_attr *attr,
	struct erofs_xattrs xattrs, uint64_t rdev, struct erofs_node *node, struct err *e)
{
	struct erofs_inode_info i = {
		.attr = attr,
		.xattrs = xattrs,
		.size = out_pos(&w->out) - w->data_at,
		.rdev = rdev,
		.ino = ++w->inodes,
		.nlink = 1,
	};
	uint32_t tail_size = (uint32_t)(i.size % EROFS_BLOCK), room;
	uint8_t tail[EROFS_BLOCK];
	int r;

	i.data_at = i.size >= EROFS_BLOCK ? w->data_at : 0;
	room = EROFS_INODE_SIZE + xattrs.size < EROFS_BLOCK
		       ? EROFS_BLOCK - EROFS_INODE_SIZE - xattrs.size
		       : 0;
	i.tail_inline = tail_size && tail_size <= room;
	if (i.tail_inline) {
		memcpy(tail, out_take_back(&w->out, tail_size), tail_size);
	} else if (tail_size) {
		i.data_at = w->data_at;
		tail_size = 0;
		r = out_align(&w->out, EROFS_BLOCK, e);
		if (r)
			return r;
	}
	r = EROFS_INODE_SIZE + xattrs.size > EROFS_BLOCK
		    ? put_alone(w, &i, node, e)
		    : put_packed(w, &i, tail, tail_size, node, e);
	w->data_at = out_pos(&w->out);
	return r;
}
