/* SPDX-License-Identifier: MIT */
/*
 * Completes an EROFS image: link counts, directories, super block. All that precedes the
 * directories is in the file already; only link counts and block 0 are written backwards. Runs in
 * imaged --unpack.
 */
#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>
#include <sys/stat.h>

#include "erofs_writer.h"

/* A directory entry, and where one is in the directory. */
struct entry {
	const char *text;
	uint64_t nid;
	uint8_t len;
	uint8_t type;
};

struct finish {
	struct erofs_writer *w;
	struct erofs_tree *t;
	struct erofs_xattr_buf *xattrs;
	uint32_t live; /* inodes that a name leads to */
	uint32_t implied;
	bool root_opaque;
	uint8_t block0[EROFS_BLOCK];
};

static bool is_root(const struct erofs_dir *d)
{
	return d->parent == d;
}

static bool is_marked(const struct erofs_dir *d)
{
	return d->opaque || d->implied;
}

static struct erofs_xattrs dir_xattrs(struct finish *f, const struct erofs_dir *d)
{
	/* Whether there is room is finish_measure()'s business. */
	if (!is_marked(d) ||
		erofs_xattr_mark(f->xattrs, d->xattrs, d->opaque, d->implied, NULL) < 0)
		return d->xattrs;
	return erofs_xattr_view(f->xattrs);
}

static void count_names(struct finish *f, struct erofs_dir *d)
{
	for (struct erofs_name *n = erofs_dir_first(d); n; n = n->right)
		if (n->node && n->node->type != EROFS_DIR && n->node->nlink++ == 0)
			f->live++;
}

static void finish_count(struct finish *f)
{
	for (struct erofs_dir *d = erofs_tree_root(f->t); d; d = d->next) {
		d->dead = d->dead || d->parent->dead;
		if (d->dead)
			continue;
		f->live++;
		f->implied += d->implied && !is_root(d);
		d->node.nlink = 2;
		if (d->parent != d)
			d->parent->node.nlink++;
		count_names(f, d);
	}
}

static int finish_whiteouts(struct finish *f, struct err *e)
{
	static const struct erofs_attr attr = {.mode = S_IFCHR};
	struct erofs_node *node = erofs_tree_whiteout_node(f->t);

	if (!node->nlink)
		return 0;
	return erofs_inode_put(f->w, &attr, (struct erofs_xattrs){0}, 0, node, e);
}

/* ---- listing a directory ---- */

/* Where a walk through a directory's entries is: its names, and among them "." and "..". */
struct cursor {
	const struct erofs_dir *dir;
	const struct erofs_name *name;
	unsigned int dots; /* that have been passed */
};

static void cursor_start(struct cursor *c, struct erofs_dir *d)
{
	*c = (struct cursor){.dir = d, .name = erofs_dir_first(d)};
}

static void dots_entry(const struct cursor *c, struct entry *ret)
{
	const struct erofs_dir *d = c->dots ? c->dir->parent : c->dir;

	*ret = (struct entry){"..", d->node.at / EROFS_SLOT, (uint8_t)(c->dots + 1), EROFS_DIR};
}

static int compare_entry(const struct entry *a, const struct erofs_name *b)
{
	int r = memcmp(a->text, b->text, (size_t)MIN(a->len, b->len));

	return r ? r : (int)a->len - (int)b->len;
}

static bool cursor_next(struct cursor *c, struct entry *ret)
{
	const struct erofs_name *n = c->name;

	while (n && !n->node)
		n = n->right;
	c->name = n;
	dots_entry(c, ret);
	if (c->dots < 2 && (!n || compare_entry(ret, n) < 0)) {
		c->dots++;
		return true;
	}
	if (!n)
		return false;
	c->name = n->right;
	*ret = (struct entry){n->text, n->node->at / EROFS_SLOT, n->len, n->node->type};
	return true;
}

/* As many entries as fit into one block, and the bytes they take. */
#define BLOCK_ENTRIES (EROFS_BLOCK / (sizeof(struct erofs_dirent) + 1))

struct listing {
	struct entry v[BLOCK_ENTRIES];
	size_t n;
	uint32_t bytes;
	bool last;
};

static bool list_block(struct cursor *c, struct listing *ret)
{
	struct cursor ahead = *c;
	struct entry entry;

	ret->n = 0;
	ret->bytes = 0;
	while ((ret->last = !cursor_next(&ahead, &entry)) == false) {
		uint32_t more = (uint32_t)sizeof(struct erofs_dirent) + entry.len;

		if (ret->bytes + more > EROFS_BLOCK)
			break;
		ret->bytes += more;
		ret->v[ret->n++] = entry;
		*c = ahead;
	}
	return ret->n > 0;
}

static void block_encode(const struct listing *l, uint8_t out[EROFS_BLOCK])
{
	size_t name_at = l->n * sizeof(struct erofs_dirent);

	memset(out, 0, EROFS_BLOCK);
	for (size_t i = 0; i < l->n; i++) {
		struct erofs_dirent d = {
			.nid = htole64(l->v[i].nid),
			.name_at = htole16((uint16_t)name_at),
			.type = l->v[i].type,
		};

		memcpy(out + i * sizeof(d), &d, sizeof(d));
		memcpy(out + name_at, l->v[i].text, l->v[i].len);
		name_at += l->v[i].len;
	}
}

static uint64_t listing_size(struct erofs_dir *d)
{
	struct listing l;
	struct cursor c;
	uint64_t size = 0;

	cursor_start(&c, d);
	while (list_block(&c, &l))
		size += l.last ? l.bytes : EROFS_BLOCK;
	return size;
}

static uint32_t inode_bytes(struct finish *f, const struct erofs_dir *d)
{
	return EROFS_INODE_SIZE + dir_xattrs(f, d).size;
}

/* Sizes of all directories, and where their whole blocks go: one after another from `at`. */
static int finish_measure(struct finish *f, uint64_t *at, struct err *e)
{
	for (struct erofs_dir *d = erofs_tree_root(f->t); d; d = d->next) {
		uint32_t tail, fixed = inode_bytes(f, d);
		uint32_t room = is_root(d) ? EROFS_ROOT_ROOM : EROFS_BLOCK;

		if (d->dead)
			continue;
		if (is_root(d) && fixed > room)
			return err_set(e, E2BIG, "extended attributes of the root too large");
		if (is_marked(d) && fixed == EROFS_INODE_SIZE + d->xattrs.size)
			return err_set(e, E2BIG, "extended attributes of a directory too large");
		d->size = listing_size(d);
		tail = (uint32_t)(d->size % EROFS_BLOCK);
		d->tail_inline = tail && fixed + tail <= room;
		d->data_at = *at;
		*at += d->size - tail + (tail && !d->tail_inline ? EROFS_BLOCK : 0);
	}
	return 0;
}

static uint32_t bytes_at_inode(struct finish *f, const struct erofs_dir *d)
{
	return inode_bytes(f, d) + (d->tail_inline ? (uint32_t)(d->size % EROFS_BLOCK) : 0);
}

/* The inodes follow the directories' blocks; one crosses a block only if it is larger than one. */
static void finish_place(struct finish *f, uint64_t at)
{
	for (struct erofs_dir *d = erofs_tree_root(f->t); d; d = d->next) {
		uint32_t need = bytes_at_inode(f, d), used = (uint32_t)(at % EROFS_BLOCK);

		if (d->dead)
			continue;
		if (is_root(d)) {
			d->node.at = EROFS_ROOT_AT;
			continue;
		}
		if (used && used + need > EROFS_BLOCK)
			at += EROFS_BLOCK - used;
		d->node.at = at;
		at = (at + need + EROFS_SLOT - 1) & ~(uint64_t)(EROFS_SLOT - 1);
	}
}

static int patch_nlink(struct erofs_writer *w, struct erofs_node *node, struct err *e)
{
	uint32_t nlink;

	if (!node || node->type == EROFS_DIR || node->nlink == 1 || node->linked)
		return 0;
	node->linked = true;
	nlink = htole32(node->nlink);
	return out_patch(
		&w->out, node->at + offsetof(struct erofs_inode, nlink), &nlink, sizeof(nlink), e);
}

static int finish_links(struct finish *f, struct err *e)
{
	int r = 0;

	for (struct erofs_dir *d = erofs_tree_root(f->t); d && !r; d = d->next) {
		struct erofs_name *n = d->dead ? NULL : erofs_dir_first(d);

		for (; n && !r; n = n->right)
			r = patch_nlink(f->w, n->node, e);
	}
	return r;
}

/* All blocks of a directory but an inline tail. */
static int write_blocks(struct finish *f, struct erofs_dir *d, struct err *e)
{
	uint8_t block[EROFS_BLOCK];
	struct listing l;
	struct cursor c;
	int r = 0;

	cursor_start(&c, d);
	while (!r && list_block(&c, &l) && !(l.last && d->tail_inline)) {
		block_encode(&l, block);
		r = out_append(&f->w->out, block, sizeof(block), e);
	}
	return r;
}

/* Returns the bytes of an inline tail. */
static uint32_t inline_tail(struct erofs_dir *d, uint8_t out[EROFS_BLOCK])
{
	struct listing l;
	struct cursor c;

	if (!d->tail_inline)
		return 0;
	cursor_start(&c, d);
	while (list_block(&c, &l) && !l.last)
		;
	block_encode(&l, out);
	return l.bytes;
}

static void encode_dir(struct finish *f, struct erofs_dir *d, struct erofs_xattrs xattrs,
	uint8_t out[EROFS_INODE_SIZE])
{
	struct erofs_inode_info i = {
		.attr = &d->attr,
		.xattrs = xattrs,
		.size = d->size,
		.data_at = d->size < EROFS_BLOCK && d->tail_inline ? 0 : d->data_at,
		.ino = ++f->w->inodes,
		.nlink = d->node.nlink,
		.tail_inline = d->tail_inline,
	};

	erofs_inode_encode(&i, out);
}

static int write_inode(struct finish *f, struct erofs_dir *d, struct err *e)
{
	struct erofs_xattrs xattrs = dir_xattrs(f, d);
	uint8_t inode[EROFS_INODE_SIZE], tail[EROFS_BLOCK];
	struct erofs_out *o = &f->w->out;
	uint32_t bytes = inline_tail(d, tail);
	int r;

	encode_dir(f, d, xattrs, inode);
	if (is_root(d)) {
		uint8_t *p = f->block0 + EROFS_ROOT_AT;

		memcpy(p, inode, sizeof(inode));
		if (xattrs.size)
			memcpy(p + sizeof(inode), xattrs.body, xattrs.size);
		memcpy(p + sizeof(inode) + xattrs.size, tail, bytes);
		return 0;
	}
	r = out_zeros(o, d->node.at - out_pos(o), e);
	if (!r)
		r = out_append(o, inode, sizeof(inode), e);
	if (!r)
		r = out_append(o, xattrs.body, xattrs.size, e);
	return r ? r : out_append(o, tail, bytes, e);
}

static int finish_dirs(struct finish *f, struct err *e)
{
	struct erofs_dir *d, *root = erofs_tree_root(f->t);
	int r = 0;

	for (d = root; d && !r; d = d->next) {
		if (!d->dead)
			r = write_blocks(f, d, e);
	}
	for (d = root; d && !r; d = d->next) {
		if (!d->dead)
			r = write_inode(f, d, e);
	}
	return r;
}

static int finish_super(struct finish *f, const uint8_t uuid[16], struct err *e)
{
	struct erofs_out *o = &f->w->out;
	struct erofs_super_block sb = {
		.magic = htole32(EROFS_MAGIC),
		.feature_compat = htole32(EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.root_nid = htole16(EROFS_ROOT_AT / EROFS_SLOT),
		.inodes = htole64(f->live),
		.blocks = htole32((uint32_t)(out_pos(o) >> EROFS_BLOCK_BITS)),
	};
	uint8_t *at = f->block0 + EROFS_SUPER_OFFSET;

	memcpy(sb.uuid, uuid, sizeof(sb.uuid));
	memcpy(at, &sb, sizeof(sb));
	/* The kernel's crc32c(~0, …) without the final inversion, the field itself taken as 0. */
	sb.checksum = htole32(crc32_iscsi(at, (int)(EROFS_BLOCK - EROFS_SUPER_OFFSET), ~0u));
	memcpy(at, &sb, sizeof(sb));
	return out_patch(o, 0, f->block0, sizeof(f->block0), e);
}

static int finish_run(struct finish *f, const uint8_t uuid[16], struct err *e)
{
	struct erofs_out *o = &f->w->out;
	uint64_t at;
	int r;

	f->root_opaque = erofs_tree_root(f->t)->opaque;
	finish_count(f);
	r = finish_whiteouts(f, e);
	if (!r)
		r = erofs_packs_close(f->w, e);
	if (r)
		return r;
	at = out_pos(o);
	r = finish_measure(f, &at, e);
	if (r)
		return r;
	finish_place(f, at);
	r = finish_links(f, e);
	if (!r)
		r = finish_dirs(f, e);
	if (!r)
		r = out_align(o, EROFS_BLOCK, e);
	if (!r && out_pos(o) >> EROFS_BLOCK_BITS > UINT32_MAX)
		r = err_set(e, EFBIG, "image too large");
	if (!r)
		r = out_finish(o, e);
	return r ? r : finish_super(f, uuid, e);
}

int erofs_image_finish(struct erofs_writer *w, struct erofs_tree *t, const uint8_t uuid[16],
	struct erofs_stats *ret, struct err *e)
{
	struct finish *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	if (f)
		f->xattrs = malloc(sizeof(*f->xattrs));
	if (f && f->xattrs) {
		f->w = w;
		f->t = t;
		r = finish_run(f, uuid, e);
		*ret = (struct erofs_stats){
			.bytes = out_pos(&w->out),
			.inodes = f->live,
			.implied = f->implied,
			.root_opaque = f->root_opaque,
		};
		free(f->xattrs);
	} else {
		err_errno(e, ENOMEM, "directories");
	}
	free(f);
	return r;
}
