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

struct entry {
	const char *text;
	uint64_t nid;
	uint8_t len;
	uint8_t type;
};

/* The entries of one directory at a time, sorted. */
struct listing {
	struct entry *v;
	size_t n, room;
};

struct finish {
	struct erofs_writer *w;
	struct erofs_tree *t;
	struct listing list;
	struct erofs_xattr_buf *xattrs;
	uint32_t live; /* inodes that a name leads to */
	uint32_t implied;
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

static void count_name(struct erofs_name *name, void *ctx)
{
	struct finish *f = ctx;

	if (!name->node || name->node->type == EROFS_DIR)
		return;
	if (name->node->nlink++ == 0)
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
		erofs_dir_each(d, count_name, f);
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

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = memcmp(x->text, y->text, MIN(x->len, y->len));

	return r ? r : (int)x->len - (int)y->len;
}

static void list_name(struct erofs_name *name, void *ctx)
{
	struct listing *l = ctx;

	if (!name->node)
		return;
	l->v[l->n++] = (struct entry){
		.text = name->text,
		.nid = name->node->at / EROFS_SLOT,
		.len = name->len,
		.type = name->node->type,
	};
}

static int list_fill(struct listing *l, struct erofs_dir *d, struct err *e)
{
	size_t need = (size_t)d->count + 2;

	if (need > l->room) {
		struct entry *v = reallocarray(l->v, need, sizeof(*v));

		if (!v)
			return err_errno(e, ENOMEM, "directory");
		l->v = v;
		l->room = need;
	}
	l->v[0] = (struct entry){".", d->node.at / EROFS_SLOT, 1, EROFS_DIR};
	l->v[1] = (struct entry){"..", d->parent->node.at / EROFS_SLOT, 2, EROFS_DIR};
	l->n = 2;
	erofs_dir_each(d, list_name, l);
	qsort(l->v, l->n, sizeof(*l->v), compare_entries);
	return 0;
}

/* How many entries from the i-th on fit into one block, and the bytes they take. */
static size_t block_span(const struct listing *l, size_t i, uint32_t *ret_bytes)
{
	uint32_t bytes = 0;
	size_t n = 0;

	while (i + n < l->n) {
		uint32_t more = (uint32_t)sizeof(struct erofs_dirent) + l->v[i + n].len;

		if (bytes + more > EROFS_BLOCK)
			break;
		bytes += more;
		n++;
	}
	*ret_bytes = bytes;
	return n;
}

static void block_encode(const struct entry *v, size_t n, uint8_t out[EROFS_BLOCK])
{
	size_t name_at = n * sizeof(struct erofs_dirent);

	memset(out, 0, EROFS_BLOCK);
	for (size_t i = 0; i < n; i++) {
		struct erofs_dirent d = {
			.nid = htole64(v[i].nid),
			.name_at = htole16((uint16_t)name_at),
			.type = v[i].type,
		};

		memcpy(out + i * sizeof(d), &d, sizeof(d));
		memcpy(out + name_at, v[i].text, v[i].len);
		name_at += v[i].len;
	}
}

static uint64_t listing_size(const struct listing *l)
{
	uint64_t size = 0;
	uint32_t bytes = 0;

	for (size_t i = 0, n; i < l->n; i += n) {
		n = block_span(l, i, &bytes);
		if (i + n < l->n)
			size += EROFS_BLOCK;
	}
	return size + bytes;
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
		int r;

		if (d->dead)
			continue;
		if (is_root(d) && fixed > room)
			return err_set(e, E2BIG, "extended attributes of the root too large");
		if (is_marked(d) && fixed == EROFS_INODE_SIZE + d->xattrs.size)
			return err_set(e, E2BIG, "extended attributes of a directory too large");
		r = list_fill(&f->list, d, e);
		if (r)
			return r;
		d->size = listing_size(&f->list);
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

struct patch {
	struct erofs_writer *w;
	struct err *e;
	int r;
};

static void patch_nlink(struct erofs_name *name, void *ctx)
{
	struct erofs_node *node = name->node;
	struct patch *p = ctx;
	uint32_t nlink;

	if (p->r || !node || node->type == EROFS_DIR || node->nlink == 1 || node->linked)
		return;
	node->linked = true;
	nlink = htole32(node->nlink);
	p->r = out_patch(&p->w->out, node->at + offsetof(struct erofs_inode, nlink), &nlink,
		sizeof(nlink), p->e);
}

static int finish_links(struct finish *f, struct err *e)
{
	struct patch p = {.w = f->w, .e = e};

	for (struct erofs_dir *d = erofs_tree_root(f->t); d && !p.r; d = d->next) {
		if (!d->dead)
			erofs_dir_each(d, patch_nlink, &p);
	}
	return p.r;
}

/* All blocks of a directory but an inline tail. */
static int write_blocks(struct finish *f, struct erofs_dir *d, struct err *e)
{
	uint8_t block[EROFS_BLOCK];
	uint32_t bytes;
	int r = list_fill(&f->list, d, e);

	for (size_t i = 0, n; !r && i < f->list.n; i += n) {
		n = block_span(&f->list, i, &bytes);
		if (d->tail_inline && i + n == f->list.n)
			break;
		block_encode(f->list.v + i, n, block);
		r = out_append(&f->w->out, block, sizeof(block), e);
	}
	return r;
}

static int inline_tail(struct finish *f, struct erofs_dir *d, uint8_t out[EROFS_BLOCK],
	uint32_t *ret_bytes, struct err *e)
{
	size_t i = 0, n;
	int r;

	*ret_bytes = 0;
	if (!d->tail_inline)
		return 0;
	r = list_fill(&f->list, d, e);
	if (r)
		return r;
	for (;;) {
		n = block_span(&f->list, i, ret_bytes);
		if (i + n == f->list.n)
			break;
		i += n;
	}
	block_encode(f->list.v + i, n, out);
	return 0;
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
	uint32_t bytes;
	int r = inline_tail(f, d, tail, &bytes, e);

	if (r)
		return r;
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
			.bytes = out_pos(&w->out), .inodes = f->live, .implied = f->implied};
		free(f->list.v);
		free(f->xattrs);
	} else {
		err_errno(e, ENOMEM, "directories");
	}
	free(f);
	return r;
}
