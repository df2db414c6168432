/* SPDX-License-Identifier: MIT */
/*
 * Finds, for each directory that a layer only implies, what the layers below it say. Reads and
 * writes images through descriptors. Runs in imaged --unpack.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "erofs_read.h"
#include "erofs_write.h"
#include "layer.h"
#include "layer_dirs.h"

/* Lookups of one name in one layer, two microseconds each. Ten thousand implied directories, ten
 * levels deep, in an image of twenty layers take two million at most. */
#define STEPS_MAX (1u << 22)

struct stack {
	struct erofs_map layers[LAYER_STACK_MAX];
	size_t n;
	struct erofs_tree *tree;
	struct erofs_writer *image;
	struct erofs_xattr_buf xattrs;
	uint32_t dirs;
	uint32_t seen;	/* directories walked; bounds a damaged image that leads in circles */
	uint32_t steps; /* names looked up */
	char path[EROFS_PATH_MAX]; /* of the directory being looked at */
};

enum sight {
	SIGHT_NONE,   /* the layer has nothing there */
	SIGHT_HIDDEN, /* what is below can't be seen */
	SIGHT_IMPLIED,
	SIGHT_EXPLICIT,
};

/* What a layer has at a path. *ret_last: layers below it don't count there. */
static int look(struct stack *s, size_t layer, const char *path, enum sight *ret,
	struct erofs_found *found, bool *ret_last, struct err *e)
{
	struct erofs_map *m = &s->layers[layer];
	int r = erofs_map_inode(m, m->root, found, e);

	*ret_last = false;
	*ret = SIGHT_NONE;
	while (!r && *path) {
		struct erofs_found dir = *found;
		size_t len = strcspn(path, "/");

		if (s->steps++ == STEPS_MAX)
			return err_set(e, E2BIG, "too many and too deep to be compared");
		r = erofs_map_lookup(m, &dir, path, len, found, e);
		if (r == -ENOENT)
			return 0;
		if (r)
			return r;
		if (!S_ISDIR(found->attr.mode)) {
			*ret = SIGHT_HIDDEN;
			return 0;
		}
		*ret_last = *ret_last || found->opaque;
		path += len + (path[len] == '/');
	}
	*ret = found->implied ? SIGHT_IMPLIED : SIGHT_EXPLICIT;
	return r;
}

/* The topmost description of a directory. */
struct described {
	struct erofs_map *layer; /* that has it; NULL if none has */
	struct erofs_found found;
	bool below;    /* a layer above it only implies it */
	size_t lowest; /* layer that has the directory, as far down as was looked */
};

static int resolve(struct stack *s, const char *path, struct described *ret, struct err *e)
{
	bool last = false;

	*ret = (struct described){.lowest = s->n};
	for (size_t i = s->n; i-- > 0 && !last;) {
		enum sight sight;
		int r = look(s, i, path, &sight, &ret->found, &last, e);

		if (r || sight == SIGHT_HIDDEN)
			return r;
		if (sight != SIGHT_NONE)
			ret->lowest = i;
		if (sight == SIGHT_EXPLICIT) {
			ret->layer = &s->layers[i];
			return 0;
		}
		if (sight == SIGHT_IMPLIED)
			ret->below = true;
	}
	return 0;
}

static int repeat_dir(
	struct stack *s, struct erofs_map *layer, const struct erofs_found *found, struct err *e)
{
	struct erofs_xattrs xattrs;
	struct erofs_place at;
	int r = erofs_tree_place(s->tree, s->path, &at, e);

	if (!r)
		r = erofs_map_xattrs(layer, found, &xattrs, e);
	if (!r)
		r = erofs_xattr_copy_plain(&s->xattrs, xattrs, e);
	if (r)
		return r;
	return erofs_tree_put_dir(s->tree, at, &found->attr, erofs_xattr_view(&s->xattrs), e);
}

/* The directory and all above it, for the new layer is now the topmost to have them. */
static int repeat_path(struct stack *s, struct err *e)
{
	char *end = s->path, old;
	int r = 0;

	for (; !r; end++) {
		struct described d;

		if (*end && *end != '/' && end != s->path)
			continue;
		old = *end;
		*end = '\0';
		r = resolve(s, s->path, &d, e);
		if (!r && d.layer)
			r = repeat_dir(s, d.layer, &d.found, e);
		*end = old;
		if (!old)
			break;
	}
	s->dirs++;
	return r;
}

/* *ret_alone: no layer below has the directory, hence nothing in it either. */
static int check_dir(struct stack *s, size_t layer, const struct erofs_found *dir, bool *ret_alone,
	struct err *e)
{
	struct described d;
	int r;

	*ret_alone = false;
	/* The root is the mounter's: it shows that of the writable layer above. */
	if (!*s->path || !dir->implied)
		return 0;
	r = resolve(s, s->path, &d, e);
	if (r)
		return r;
	*ret_alone = !d.layer && d.lowest >= layer;
	return !d.layer || !d.below ? 0 : repeat_path(s, e);
}

static bool is_dots(const struct erofs_map_name *name)
{
	return name->text[0] == '.' && (name->len == 1 || (name->len == 2 && name->text[1] == '.'));
}

/* Recursion is bounded by EROFS_DEPTH_MAX through the length of a path. */
static int walk_dir(
	struct stack *s, size_t layer, const struct erofs_found *d, size_t len, struct err *e)
{
	struct erofs_map *m = &s->layers[layer];
	struct erofs_map_name name;
	bool alone = false;
	struct erofs_found child;
	uint64_t at = 0;
	int r = s->seen++ < layer_limits_default.max_entries
			? check_dir(s, layer, d, &alone, e)
			: err_set(e, E2BIG, "too many directories");

	if (!r && alone)
		return 0;
	while (!r && (r = erofs_map_next(m, d, &at, &name, e)) > 0) {
		size_t next = len + (len > 0) + name.len;

		r = 0;
		if (name.type != EROFS_DIR || is_dots(&name) || next >= sizeof(s->path))
			continue;
		if (len)
			s->path[len] = '/';
		memcpy(s->path + next - name.len, name.text, name.len);
		s->path[next] = '\0';
		r = erofs_map_inode(m, name.nid, &child, e);
		if (!r)
			r = walk_dir(s, layer, &child, next, e);
		s->path[len] = '\0';
	}
	return r;
}

static int walk_all(struct stack *s, struct err *e)
{
	struct erofs_found root;
	int r = 0;

	for (size_t i = 1; i < s->n && !r; i++) {
		r = erofs_map_inode(&s->layers[i], s->layers[i].root, &root, e);
		if (!r)
			r = walk_dir(s, i, &root, 0, e);
	}
	return r;
}

static void stack_free(struct stack **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		erofs_map_close(&(*s)->layers[i]);
	erofs_writer_close(&(*s)->image);
	erofs_tree_free(&(*s)->tree);
	free(*s);
	*s = NULL;
}

static int stack_open(struct stack *s, const int *images, size_t n, int out_fd, struct err *e)
{
	const struct layer_limits *limits = &layer_limits_default;
	int r = 0;

	for (; s->n < n && !r; s->n += !r)
		r = erofs_map_open(images[s->n], &s->layers[s->n], e);
	if (!r && ftruncate(out_fd, 0) < 0)
		r = err_errno(e, errno, "image file");
	if (!r)
		r = erofs_tree_new(out_fd, limits->max_entries, limits->max_names, &s->tree, e);
	return r ? r : erofs_writer_open(out_fd, &s->image, e);
}

int layer_dirs(const int *images, size_t n, int out_fd, uint32_t *ret_dirs, struct err *e)
{
	static const uint8_t uuid[16] = "directories";
	_cleanup_(stack_free) struct stack *s = NULL;
	struct erofs_stats stats;
	int r;

	if (n == 0 || n > LAYER_STACK_MAX)
		return err_set(e, E2BIG, "more than %u layers", LAYER_STACK_MAX);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_errno(e, ENOMEM, "directories");
	r = stack_open(s, images, n, out_fd, e);
	if (!r)
		r = walk_all(s, e);
	if (!r)
		r = erofs_image_finish(s->image, s->tree, uuid, &stats, e);
	if (!r)
		*ret_dirs = s->dirs;
	return r;
}
