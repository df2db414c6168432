/* SPDX-License-Identifier: MIT */
/*
 * The name tree of a layer. Trusts nothing: every name comes from a tar. Walks and frees without
 * recursion of its own, so that no depth of directories can exhaust the stack. Runs in
 * imaged --unpack.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "erofs_tree.h"
#include "scratch.h"

#define SYMLINKS_MAX 40u /* as in the kernel, path_resolution(7) */

struct erofs_tree {
	struct scratch memory;
	size_t bytes, max_bytes;
	struct err why; /* erofs_tree_alloc() failed */
	uint32_t names, max_names;
	struct erofs_dir *root, *last;
	struct erofs_node whiteout;
};

void *erofs_tree_alloc(struct erofs_tree *t, size_t size)
{
	size_t need = (size + 7) & ~(size_t)7;
	void *p;

	if (size > t->max_bytes || need > t->max_bytes - t->bytes) {
		err_set(&t->why, ENOMEM, "its names need more than %zu MiB of memory",
			t->max_bytes >> 20);
		return NULL;
	}
	if (scratch_grow(&t->memory, t->bytes + need, &t->why) < 0)
		return NULL;
	p = t->memory.base + t->bytes;
	t->bytes += need;
	return p;
}

int erofs_tree_no_memory(struct erofs_tree *t, struct err *e)
{
	return err_set(e, t->why.code, "%s", t->why.text);
}

/* ---- the names of one directory ---- */

static int compare(const char *text, size_t len, const struct erofs_name *name)
{
	int r = memcmp(text, name->text, MIN(len, name->len));

	return r ? r : (int)len - (int)name->len;
}

static struct erofs_name *rotate_right(struct erofs_name *n)
{
	struct erofs_name *up = n->left;

	n->left = up->right;
	up->right = n;
	return up;
}

static struct erofs_name *rotate_left(struct erofs_name *n)
{
	struct erofs_name *up = n->right;

	n->right = up->left;
	up->left = n;
	return up;
}

/* Brings the name, or a neighbour of its place, to the root. Sleator and Tarjan, "Self-adjusting
 * binary search trees", top-down: n operations take O(n log n) steps whatever names an archive
 * chooses, and few in an archive's usual order. */
static struct erofs_name *splay(struct erofs_name *n, const char *text, size_t len)
{
	struct erofs_name sides = {0}, *less = &sides, *more = &sides;

	for (;;) {
		int c = compare(text, len, n);

		if (c < 0 && n->left && compare(text, len, n->left) < 0)
			n = rotate_right(n);
		else if (c > 0 && n->right && compare(text, len, n->right) > 0)
			n = rotate_left(n);
		if (c == 0 || !(c < 0 ? n->left : n->right))
			break;
		if (c < 0) {
			more->left = n;
			more = n;
			n = n->left;
		} else {
			less->right = n;
			less = n;
			n = n->right;
		}
	}
	less->right = n->left;
	more->left = n->right;
	n->left = sides.right;
	n->right = sides.left;
	return n;
}

static struct erofs_name *look_up(struct erofs_dir *d, const char *text, size_t len)
{
	if (!d->names)
		return NULL;
	d->names = splay(d->names, text, len);
	return compare(text, len, d->names) == 0 ? d->names : NULL;
}

/* After a look_up() that found nothing: the root is a neighbour. */
static int add_name(struct erofs_tree *t, struct erofs_dir *d, const char *text, size_t len,
	struct erofs_name **ret, struct err *e)
{
	struct erofs_name *name, *root = d->names;

	if (t->names == t->max_names)
		return err_set(e, E2BIG, "more than %u entries", t->max_names);
	name = erofs_tree_alloc(t, sizeof(*name) + len);
	if (!name)
		return erofs_tree_no_memory(t, e);
	name->len = (uint8_t)len;
	memcpy(name->text, text, len);
	if (root && compare(text, len, root) < 0) {
		name->left = root->left;
		name->right = root;
		root->left = NULL;
	} else if (root) {
		name->right = root->right;
		name->left = root;
		root->right = NULL;
	}
	d->names = name;
	t->names++;
	*ret = name;
	return 0;
}

struct erofs_name *erofs_dir_first(struct erofs_dir *d)
{
	struct erofs_name **at = &d->names;

	while (*at) {
		while ((*at)->left)
			*at = rotate_right(*at);
		at = &(*at)->right;
	}
	return d->names;
}

static int get_name(struct erofs_tree *t, struct erofs_dir *d, const char *text, size_t len,
	struct erofs_name **ret, struct err *e)
{
	*ret = look_up(d, text, len);
	return *ret ? 0 : add_name(t, d, text, len, ret, e);
}

static void set_node(struct erofs_name *name, struct erofs_node *node)
{
	if (name->node && name->node->type == EROFS_DIR)
		name->node->dir->dead = true;
	name->node = node;
}

static struct erofs_dir *new_dir(struct erofs_tree *t, struct erofs_dir *parent)
{
	struct erofs_dir *d = erofs_tree_alloc(t, sizeof(*d));

	if (!d)
		return NULL;
	d->node.type = EROFS_DIR;
	d->node.dir = d;
	d->parent = parent ? parent : d;
	d->depth = parent ? parent->depth + 1 : 0;
	d->attr.mode = S_IFDIR | 0755;
	d->implied = true;
	if (t->last)
		t->last->next = d;
	t->last = d;
	return d;
}

static int enter_new_dir(struct erofs_tree *t, struct erofs_dir *parent, struct erofs_name *name,
	struct erofs_dir **ret, struct err *e)
{
	struct erofs_dir *d;

	if (parent->depth == EROFS_DEPTH_MAX)
		return err_set(e, ENAMETOOLONG, "directories too deep");
	d = new_dir(t, parent);
	if (!d)
		return erofs_tree_no_memory(t, e);
	d->opaque = name->hides;
	set_node(name, &d->node);
	*ret = d;
	return 0;
}

int erofs_tree_new(
	int fd, uint32_t max_names, size_t max_bytes, struct erofs_tree **ret, struct err *e)
{
	struct erofs_tree *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_errno(e, ENOMEM, "names");
	t->max_names = max_names;
	t->max_bytes = max_bytes;
	t->whiteout.type = EROFS_CHR;
	r = scratch_open(&t->memory, fd, SCRATCH_NAMES_AT, max_bytes, e);
	if (!r) {
		t->root = new_dir(t, NULL);
		r = t->root ? 0 : erofs_tree_no_memory(t, e);
	}
	if (r < 0) {
		erofs_tree_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void erofs_tree_free(struct erofs_tree **t)
{
	if (!*t)
		return;
	scratch_close(&(*t)->memory);
	free(*t);
	*t = NULL;
}

static int clean_step(char *out, size_t *n, const char *part, size_t len, struct err *e)
{
	if (len == 0 || (len == 1 && part[0] == '.'))
		return 0;
	if (len == 2 && part[0] == '.' && part[1] == '.') {
		if (*n == 0)
			return err_set(e, EINVAL, "path leads out of the image");
		while (*n > 0 && out[--*n] != '/')
			;
		return 0;
	}
	if (len > EROFS_NAME_MAX)
		return err_set(e, ENAMETOOLONG, "name longer than %u bytes", EROFS_NAME_MAX);
	if (*n + len + 2 > EROFS_PATH_MAX)
		return err_set(e, ENAMETOOLONG, "path longer than %u bytes", EROFS_PATH_MAX);
	if (*n)
		out[(*n)++] = '/';
	memcpy(out + *n, part, len);
	*n += len;
	return 0;
}

int erofs_path_clean(const char *path, char out[EROFS_PATH_MAX], struct err *e)
{
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(path, "/");
		int r = clean_step(out, &n, path, len, e);

		if (r)
			return r;
		if (!path[len])
			break;
		path += len + 1;
	}
	out[n] = '\0';
	return 0;
}

/* What is still to be walked; a symbolic link is replaced by its target in the other buffer. */
struct walk {
	struct erofs_dir *dir;
	const char *rest;
	bool create;
	unsigned int hops;
	unsigned int flip;
	char text[2][2 * EROFS_PATH_MAX];
};

static int walk_follow(
	struct erofs_tree *t, struct walk *w, const char *target, const char *rest, struct err *e)
{
	char *to = w->text[w->flip];
	size_t a = strlen(target), b = strlen(rest);

	if (++w->hops > SYMLINKS_MAX)
		return err_set(e, ELOOP, "path goes through too many symbolic links");
	if (a + b + 2 > sizeof(w->text[0]))
		return err_set(e, ENAMETOOLONG, "path too long after its symbolic links");
	memcpy(to, target, a);
	to[a] = '/';
	memcpy(to + a + 1, rest, b + 1);
	w->flip ^= 1;
	w->rest = to;
	if (target[0] == '/')
		w->dir = t->root;
	return 0;
}

static int walk_down(
	struct erofs_tree *t, struct walk *w, size_t len, const char *rest, struct err *e)
{
	const char *part = w->rest;
	struct erofs_name *name;
	int r;

	name = look_up(w->dir, part, len);
	if (!name || !name->node || name->node == &t->whiteout) {
		if (!w->create)
			return -ENOENT;
		r = name ? 0 : add_name(t, w->dir, part, len, &name, e);
		w->rest = rest;
		return r ? r : enter_new_dir(t, w->dir, name, &w->dir, e);
	}
	if (name->node->type == EROFS_LNK)
		return walk_follow(t, w, name->node->target, rest, e);
	if (name->node->type != EROFS_DIR)
		return err_set(e, ENOTDIR, "its parent is not a directory");
	w->dir = name->node->dir;
	w->rest = rest;
	return 0;
}

/* Stops before the last component; since the path is clean, that one is a plain name. */
static int walk_run(struct erofs_tree *t, struct walk *w, struct err *e)
{
	for (;;) {
		size_t len = strcspn(w->rest, "/");
		const char *rest = w->rest + len + 1;
		int r;

		if (w->rest[len] == '\0')
			return 0;
		if (len > EROFS_NAME_MAX)
			return err_set(
				e, ENAMETOOLONG, "name longer than %u bytes", EROFS_NAME_MAX);
		if (len == 0 || (len == 1 && w->rest[0] == '.')) {
			w->rest = rest;
		} else if (len == 2 && w->rest[0] == '.' && w->rest[1] == '.') {
			w->dir = w->dir->parent;
			w->rest = rest;
		} else {
			r = walk_down(t, w, len, rest, e);
			if (r)
				return r;
		}
	}
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int erofs_tree_place(struct erofs_tree *t, const char *path, struct erofs_place *ret, struct err *e)
{
	struct walk w;
	int r;

	w.dir = t->root;
	w.rest = path;
	w.create = true;
	w.hops = w.flip = 0;
	r = walk_run(t, &w, e);
	if (r)
		return r;
	ret->dir = w.dir;
	ret->base = last_component(path);
	return 0;
}

struct erofs_node *erofs_tree_find(struct erofs_tree *t, const char *path)
{
	const char *base = last_component(path);
	struct erofs_name *name;
	struct walk w;

	w.dir = t->root;
	w.rest = path;
	w.create = false;
	w.hops = w.flip = 0;
	if (walk_run(t, &w, NULL) < 0)
		return NULL;
	if (!*base)
		return &t->root->node;
	name = look_up(w.dir, base, strlen(base));
	return name && name->node != &t->whiteout ? name->node : NULL;
}

struct erofs_node *erofs_node_new(struct erofs_tree *t, enum erofs_type type, const char *target)
{
	size_t len = target ? strlen(target) + 1 : 0;
	struct erofs_node *node = erofs_tree_alloc(t, sizeof(*node) + len);

	if (!node)
		return NULL;
	node->type = (uint8_t)type;
	if (target) {
		memcpy(node + 1, target, len);
		node->target = (const char *)(node + 1);
	}
	return node;
}

int erofs_tree_put(struct erofs_tree *t, struct erofs_place at, struct erofs_node *node,
	struct erofs_name **ret_name, struct err *e)
{
	struct erofs_name *name;
	int r;

	if (!*at.base)
		return err_set(e, EINVAL, "the root of an image must be a directory");
	r = get_name(t, at.dir, at.base, strlen(at.base), &name, e);
	if (r)
		return r;
	set_node(name, node);
	if (ret_name)
		*ret_name = name;
	return 0;
}

static int copy_xattrs(
	struct erofs_tree *t, struct erofs_dir *d, struct erofs_xattrs x, struct err *e)
{
	uint8_t *body = NULL;

	if (x.size) {
		body = erofs_tree_alloc(t, x.size);
		if (!body)
			return erofs_tree_no_memory(t, e);
		memcpy(body, x.body, x.size);
	}
	d->xattrs = (struct erofs_xattrs){.body = body, .size = x.size};
	return 0;
}

int erofs_tree_put_dir(struct erofs_tree *t, struct erofs_place at, const struct erofs_attr *attr,
	struct erofs_xattrs xattrs, struct err *e)
{
	struct erofs_dir *d = at.dir;
	struct erofs_name *name;
	int r = 0;

	if (*at.base) {
		r = get_name(t, at.dir, at.base, strlen(at.base), &name, e);
		if (r)
			return r;
		if (name->node && name->node->type == EROFS_DIR)
			d = name->node->dir;
		else
			r = enter_new_dir(t, at.dir, name, &d, e);
	}
	if (r)
		return r;
	d->attr = *attr;
	d->implied = false;
	return copy_xattrs(t, d, xattrs, e);
}

int erofs_tree_whiteout(struct erofs_tree *t, struct erofs_place at, struct err *e)
{
	struct erofs_name *name;
	int r = get_name(t, at.dir, at.base, strlen(at.base), &name, e);

	if (r)
		return r;
	name->hides = true;
	if (!name->node)
		name->node = &t->whiteout;
	else if (name->node->type == EROFS_DIR)
		name->node->dir->opaque = true;
	return 0;
}

struct erofs_dir *erofs_tree_root(struct erofs_tree *t)
{
	return t->root;
}

struct erofs_node *erofs_tree_whiteout_node(struct erofs_tree *t)
{
	return &t->whiteout;
}
