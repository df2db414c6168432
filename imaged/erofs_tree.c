/* SPDX-License-Identifier: MIT */
/*
 * The name tree of a layer. Trusts nothing: every name comes from a tar. Walks and frees without
 * recursion of its own, so that no depth of directories can exhaust the stack. Runs in
 * imaged --unpack.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "erofs_tree.h"

#define ARENA_CHUNK  65536u
#define SYMLINKS_MAX 40u /* as in the kernel, path_resolution(7) */
/* A tsearch(3) node of glibc 2.36: three words, and malloc's one. */
#define TSEARCH_COST 32u

struct chunk {
	struct chunk *next;
	_Alignas(16) uint8_t bytes[];
};

struct erofs_tree {
	struct chunk *chunks;
	size_t room; /* bytes left in the first chunk */
	uint8_t *free_at;
	size_t bytes, max_bytes;
	uint32_t names, max_names;
	struct erofs_dir *root, *last;
	struct erofs_node whiteout;
	struct erofs_name *key; /* room for one lookup */
};

static bool charge(struct erofs_tree *t, size_t size)
{
	if (size > t->max_bytes - t->bytes)
		return false;
	t->bytes += size;
	return true;
}

void *erofs_tree_alloc(struct erofs_tree *t, size_t size)
{
	size_t need = (size + 7) & ~(size_t)7,
	       fresh = MAX(need, ARENA_CHUNK - sizeof(struct chunk));
	struct chunk *c;
	void *p;

	if (need > t->room) {
		if (size > t->max_bytes || !charge(t, sizeof(*c) + fresh))
			return NULL;
		c = malloc(sizeof(*c) + fresh);
		if (!c)
			return NULL;
		c->next = t->chunks;
		t->chunks = c;
		t->free_at = c->bytes;
		t->room = fresh;
	}
	p = t->free_at;
	t->free_at += need;
	t->room -= need;
	memset(p, 0, size);
	return p;
}

static int no_memory(struct erofs_tree *t, struct err *e)
{
	return err_set(e, ENOMEM, "its names need more than %zu MiB of memory", t->max_bytes >> 20);
}

static int compare_names(const void *a, const void *b)
{
	const struct erofs_name *x = a, *y = b;
	int r = memcmp(x->text, y->text, MIN(x->len, y->len));

	return r ? r : (int)x->len - (int)y->len;
}

static struct erofs_name *look_up(
	struct erofs_tree *t, struct erofs_dir *d, const char *text, size_t len)
{
	struct erofs_name **found;

	t->key->len = (uint8_t)len;
	memcpy(t->key->text, text, len);
	found = tfind(t->key, &d->names, compare_names);
	return found ? *found : NULL;
}

static int add_name(struct erofs_tree *t, struct erofs_dir *d, const char *text, size_t len,
	struct erofs_name **ret, struct err *e)
{
	struct erofs_name *name;

	if (t->names == t->max_names)
		return err_set(e, E2BIG, "more than %u entries", t->max_names);
	name = erofs_tree_alloc(t, sizeof(*name) + len);
	if (!name || !charge(t, TSEARCH_COST))
		return no_memory(t, e);
	name->len = (uint8_t)len;
	memcpy(name->text, text, len);
	if (!tsearch(name, &d->names, compare_names))
		return no_memory(t, e);
	t->names++;
	d->count++;
	*ret = name;
	return 0;
}

static int get_name(struct erofs_tree *t, struct erofs_dir *d, const char *text, size_t len,
	struct erofs_name **ret, struct err *e)
{
	*ret = look_up(t, d, text, len);
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
		return no_memory(t, e);
	d->opaque = name->hides;
	set_node(name, &d->node);
	*ret = d;
	return 0;
}

int erofs_tree_new(uint32_t max_names, size_t max_bytes, struct erofs_tree **ret, struct err *e)
{
	struct erofs_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return err_errno(e, ENOMEM, "names");
	t->max_names = max_names;
	t->max_bytes = max_bytes;
	t->whiteout.type = EROFS_CHR;
	t->key = malloc(sizeof(*t->key) + EROFS_NAME_MAX);
	t->root = new_dir(t, NULL);
	if (!t->key || !t->root) {
		erofs_tree_free(&t);
		return err_errno(e, ENOMEM, "names");
	}
	*ret = t;
	return 0;
}

static void keep_name(_unused_ void *name)
{
}

void erofs_tree_free(struct erofs_tree **t)
{
	struct chunk *c, *next;

	if (!*t)
		return;
	for (struct erofs_dir *d = (*t)->root; d; d = d->next)
		tdestroy(d->names, keep_name);
	for (c = (*t)->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free((*t)->key);
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

	name = look_up(t, w->dir, part, len);
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
	name = look_up(t, w.dir, base, strlen(base));
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
			return no_memory(t, e);
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

struct each {
	void (*fn)(struct erofs_name *name, void *ctx);
	void *ctx;
};

static void each_visit(const void *node, VISIT which, void *closure)
{
	struct erofs_name *const *name = node;
	struct each *each = closure;

	if (which == postorder || which == leaf)
		each->fn(*name, each->ctx);
}

void erofs_dir_each(struct erofs_dir *d, void (*fn)(struct erofs_name *name, void *ctx), void *ctx)
{
	struct each each = {.fn = fn, .ctx = ctx};

	twalk_r(d->names, each_visit, &each);
}
