/* SPDX-License-Identifier: MIT */
/*
 * A stream to files; see tree.h. Nobody vouches for the stream, nor for what else goes on in the
 * directory: every name is taken apart here, its directory is opened below the top over no link,
 * and what is made there is made under a name that was free. What directories get last (owner,
 * mode, times) waits until all is in them, and what is given away until nobody here needs it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree.h"
#include "tree_unpack.h"

#define LATER_BYTES_MAX (256ULL << 20) /* of memory, for what waits */

struct later {
	struct later *next;
	int flags; /* to open it */
	dev_t dev;
	ino_t ino;
	struct meta meta;
	char path[];
};

void tree_temporary(char name[TREE_TEMPORARY])
{
	uint64_t v = 0;

	if (getrandom(&v, sizeof(v), 0) < 0)
		v = (uint64_t)getpid();
	snprintf(name, TREE_TEMPORARY, ".bulkhead-%016lx", v);
}

/* ---- names ---- */

/* The next part of a path, "." and empty ones passed over; 0 at the end, -EINVAL for "..". */
static int next_part(const char **path, const char **ret, size_t *ret_n)
{
	for (;;) {
		size_t n;

		*path += strspn(*path, "/");
		n = strcspn(*path, "/");
		*ret = *path;
		*ret_n = n;
		*path += n;
		if (n == 0)
			return 0;
		if (n == 1 && **ret == '.')
			continue;
		return n == 2 && memcmp(*ret, "..", 2) == 0 ? -EINVAL : 1;
	}
}

/* All names begin with the same part, or with "." if that is the top. */
static int strip_top(struct unpack *u, const char **path, struct err *e)
{
	size_t n = strcspn(*path, "/");

	if (n == 2 && memcmp(*path, "..", 2) == 0)
		return 0; /* to be complained of */
	if (!u->top_known) {
		if (n >= sizeof(u->top))
			return err_set(e, ENAMETOOLONG, "%.60s…: the name is too long", *path);
		memcpy(u->top, *path, n);
		u->top[n] = '\0';
		u->top_known = true;
	}
	if (strlen(u->top) != n || memcmp(u->top, *path, n) != 0)
		return err_set(
			e, EINVAL, "%s: is not below \"%s\", as all should be", *path, u->top);
	*path += n;
	return 0;
}

/* Below u->dir, parts joined by single slashes; "" is the top itself. */
static int clean_name(struct unpack *u, const char *name, char ret[PATH_MAX], struct err *e)
{
	const char *path = name, *part;
	size_t at = 0, n;
	int r;

	if (*name == '/')
		return err_set(e, EINVAL, "%s: an absolute name", name);
	if (!u->o.any && strip_top(u, &path, e) < 0)
		return -EINVAL;
	if (!u->o.any && *u->as)
		at = (size_t)snprintf(ret, PATH_MAX, "%s", u->as);
	while ((r = next_part(&path, &part, &n)) == 1) {
		if (n > NAME_MAX || at + n + 2 > PATH_MAX)
			return err_set(e, ENAMETOOLONG, "%.60s…: the name is too long", name);
		if (at > 0)
			ret[at++] = '/';
		memcpy(ret + at, part, n);
		at += n;
	}
	ret[at] = '\0';
	return r < 0 ? err_set(e, EINVAL, "%s: a name with \"..\"", name) : 0;
}

/* ---- directories on the way ---- */

/* All but the attributes, which are not kept so long. */
static int wait_for_end(struct unpack *u, int flags, const struct stat *st, const struct meta *m,
	const char *path, struct err *e)
{
	size_t n = sizeof(struct later) + strlen(path) + 1;
	struct later *l;

	u->waiting += n;
	l = u->waiting <= LATER_BYTES_MAX ? malloc(n) : NULL;
	if (!l)
		return err_set(e, ENOMEM, "too many directories, or files of others");
	*l = (struct later){
		.next = u->later, .flags = flags, .dev = st->st_dev, .ino = st->st_ino, .meta = *m};
	memcpy(l->path, path, strlen(path) + 1);
	l->meta.xattrs = NULL;
	u->later = l;
	return 0;
}

static int make_dir(struct unpack *u, int parent, const char *name, const char *path,
	const struct meta *m, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r;

	if (mkdirat(parent, name, 0700) < 0)
		return errno == EEXIST ? 0 : err_errno(e, errno, "%s", path);
	fd = tree_open(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, fd < 0 ? fd : errno, "%s", path);
	r = wait_for_end(u, O_DIRECTORY, &st, m, path, e);
	if (r < 0)
		return r;
	return meta_set_xattrs(u, fd, m, path, e);
}

/* A stranger's tar may leave directories out. */
static int make_parents(struct unpack *u, const char *path, struct err *e)
{
	static const struct meta plain = {.mode = 0755};
	char prefix[PATH_MAX];
	size_t n = 0;
	int r = 0;

	while (r == 0 && path[n]) {
		_cleanup_fd_ int parent = -1;
		char *slash;

		n += path[n] == '/';
		n += strcspn(path + n, "/");
		memcpy(prefix, path, n);
		prefix[n] = '\0';
		slash = strrchr(prefix, '/');
		if (slash)
			*slash = '\0';
		parent = tree_open(u->dir, slash ? prefix : "", O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return err_errno(e, parent, "%s", path);
		if (slash)
			*slash = '/';
		r = make_dir(u, parent, slash ? slash + 1 : prefix, prefix, &plain, e);
	}
	return r;
}

static int open_dir(struct unpack *u, const char *path, struct err *e)
{
	int fd = tree_open(u->dir, path, O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOENT) {
		if (make_parents(u, path, e) < 0)
			return -e->code;
		fd = tree_open(u->dir, path, O_PATH | O_DIRECTORY, 0);
	}
	if (fd == -ELOOP || fd == -ENOTDIR)
		return err_set(e, EINVAL,
			"%s: a link or a file is where a directory would have to be", path);
	return fd < 0 ? err_errno(e, fd, "%s", path) : fd;
}

/* Its directory, which stays open for the next entry, and its name in there. */
static int find_parent(struct unpack *u, const char *path, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	*ret_name = slash ? slash + 1 : path;
	if (u->parent >= 0 && strlen(u->parent_path) == n && memcmp(u->parent_path, path, n) == 0)
		return 0;
	fd_close(&u->parent);
	memcpy(u->parent_path, path, n);
	u->parent_path[n] = '\0';
	u->parent = open_dir(u, u->parent_path, e);
	return MIN(u->parent, 0);
}

/* ---- what stands in the way ---- */

/* 0: something but a directory is there; 1: nothing. */
static int in_the_way(struct unpack *u, const char *name, const char *path, struct err *e)
{
	struct stat st;

	if (fstatat(u->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : err_errno(e, errno, "%s", path);
	return S_ISDIR(st.st_mode)
		       ? err_set(e, EISDIR, "%s: a file can't take the place of a directory", path)
		       : 0;
}

/* Something is made by `make` under a name of its own and takes the other's place. */
static int replace(struct unpack *u, const char *name, const char *path,
	int (*make)(struct unpack *u, const char *name, struct err *e), struct err *e)
{
	char temporary[TREE_TEMPORARY];
	int r = in_the_way(u, name, path, e);

	if (r != 0)
		return r < 0 ? r : make(u, name, e);
	tree_temporary(temporary);
	r = make(u, temporary, e);
	if (r == 0 && renameat(u->parent, temporary, u->parent, name) < 0)
		r = tree_cant_replace(errno, path, e);
	/* rename(2) does nothing when both are names of one file. */
	unlinkat(u->parent, temporary, 0);
	return r;
}

/* ---- entries ---- */

static int put_data(struct unpack *u, int fd, struct err *e)
{
	uint64_t at, end = 0;
	const void *p;
	size_t n;
	int r;

	while ((r = pax_data(u->in, &p, &n, &at, e)) == 1) {
		if (at != end && lseek(fd, (off_t)at, SEEK_SET) < 0)
			return err_errno(e, errno, "%s: writing", u->path);
		r = fd_write_all(fd, p, n);
		if (r < 0)
			return err_errno(e, r, "%s: writing", u->path);
		end = at + n;
	}
	if (r == 0 && end < u->entry->size && ftruncate(fd, (off_t)u->entry->size) < 0)
		return err_errno(e, errno, "%s: writing", u->path);
	return r;
}

/* What is given away may still get second names until the end. */
static int finish_file(struct unpack *u, int fd, struct err *e)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(e, errno, "%s", u->path);
	if (!meta_gives_away(u, &u->meta, &st))
		return meta_set(u, fd, &u->meta, u->path, e);
	r = meta_set_xattrs(u, fd, &u->meta, u->path, e);
	return r < 0 ? r : wait_for_end(u, 0, &st, &u->meta, u->path, e);
}

static int make_file(struct unpack *u, const char *name, struct err *e)
{
	_cleanup_fd_ int fd =
		tree_open(u->parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return err_errno(e, fd, "%s", u->path);
	r = put_data(u, fd, e);
	if (r == 0)
		r = finish_file(u, fd, e);
	if (r < 0)
		unlinkat(u->parent, name, 0);
	return r;
}

static int make_symlink(struct unpack *u, const char *name, struct err *e)
{
	if (!*u->entry->link)
		return err_set(e, EINVAL, "%s: a link to nothing", u->path);
	if (symlinkat(u->entry->link, u->parent, name) < 0)
		return err_errno(e, errno, "%s", u->path);
	return meta_set_link(u, name, e);
}

static int make_fifo(struct unpack *u, const char *name, struct err *e)
{
	if (mknodat(u->parent, name, S_IFIFO | (u->meta.mode & 0777), 0) < 0)
		return err_errno(e, errno, "%s", u->path);
	return meta_set_link(u, name, e);
}

/* To a name of this stream, or to one that was there before; never through a link. */
static int make_hardlink(struct unpack *u, const char *name, struct err *e)
{
	_cleanup_fd_ int dir = -1;
	char path[PATH_MAX], *slash;
	struct stat st;
	int r = clean_name(u, u->entry->link, path, e);

	if (r < 0)
		return r;
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	dir = open_dir(u, slash ? path : "", e);
	if (dir < 0)
		return dir;
	if (fstatat(dir, slash ? slash + 1 : path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		linkat(dir, slash ? slash + 1 : path, u->parent, name, 0) < 0)
		return err_errno(e, errno, "%s: a second name of %s", u->path, u->entry->link);
	return 0;
}

static int put_dir(struct unpack *u, const char *name, struct err *e)
{
	struct stat st;
	int r;

	if (!*u->path) /* what is to be filled */
		return 0;
	r = make_dir(u, u->parent, name, u->path, &u->meta, e);
	if (r < 0)
		return r;
	if (fstatat(u->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, errno, "%s", u->path);
	return S_ISDIR(st.st_mode)
		       ? 0
		       : err_set(e, ENOTDIR, "%s: a directory can't take the place of a file",
				 u->path);
}

static int put_entry(struct unpack *u, const char *name, struct err *e)
{
	switch (u->entry->type) {
	case PAX_DIR:
		return put_dir(u, name, e);
	case PAX_FILE:
		return replace(u, name, u->path, make_file, e);
	case PAX_HARDLINK:
		return replace(u, name, u->path, make_hardlink, e);
	case PAX_SYMLINK:
		return replace(u, name, u->path, make_symlink, e);
	case PAX_FIFO:
		return replace(u, name, u->path, make_fifo, e);
	case PAX_CHAR:
	case PAX_BLOCK_DEVICE:
		u->skipped++;
		return 0;
	default:
		return err_set(e, EINVAL, "%s: of an unknown kind", u->path);
	}
}

/* The first entry is the top, and says whether this copy makes sense. */
static int check_top(struct unpack *u, const struct tree_target *t, struct err *e)
{
	bool dir = u->entry->type == PAX_DIR;

	u->top_mode = (dir ? S_IFDIR : S_IFREG) | u->meta.mode;
	if ((t->of == TREE_DIR && !dir) || (t->of == TREE_FILE && dir))
		return err_set(e, dir ? EISDIR : ENOTDIR, "%s", t->complaint);
	return 0;
}

static int apply(struct unpack *u, const struct tree_target *t, struct err *e)
{
	const char *name = u->entry->name;
	bool first = u->entries++ == 0;
	int r;

	meta_read(u);
	r = clean_name(u, name, u->path, e);
	if (r == 0 && first && !u->o.any)
		r = check_top(u, t, e);
	if (r == 0 && !*u->path && u->entry->type != PAX_DIR)
		r = err_set(e, EINVAL, "%s: not the name of a file", name);
	if (r == 0)
		r = find_parent(u, u->path, &name, e);
	return r < 0 ? r : put_entry(u, name, e);
}

/* ---- the whole ---- */

/* Those that were made last first: what is inside comes before what it is in. Whether it is still
 * the same is looked at again. */
static int finish_later(struct unpack *u, struct err *e)
{
	for (struct later *d = u->later; d; d = d->next) {
		_cleanup_fd_ int fd = tree_open(
			u->dir, d->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | d->flags, 0);
		bool top = d->flags && *u->as && strcmp(d->path, u->as) == 0;
		struct stat st;
		int r;

		if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != d->dev || st.st_ino != d->ino)
			continue;
		if (top)
			d->meta.mode |= 0700; /* it has to be moved: tree_stage_commit */
		r = meta_set(u, fd, &d->meta, d->path, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int unpack_all(struct unpack *u, const struct tree_target *t, struct err *e)
{
	int r;

	while ((r = pax_next(u->in, &u->entry, e)) == 1) {
		r = apply(u, t, e);
		if (r < 0)
			return r;
	}
	if (r == 0 && u->entries == 0 && !u->o.any)
		r = err_set(e, ENODATA, "nothing came");
	return r < 0 ? r : finish_later(u, e);
}

static void unpack_free(struct unpack **up)
{
	struct unpack *u = *up;

	while (u->later) {
		struct later *d = u->later;

		u->later = d->next;
		free(d);
	}
	fd_close(&u->parent);
	pax_reader_free(&u->in);
	free(u);
}

int tree_unpack(int in, int dir, const char *top, const struct tree_target *t,
	const struct tree_unpack_options *o, struct tree_unpacked *ret, struct err *e)
{
	struct unpack *u = calloc(1, sizeof(*u));
	struct err why = {0};
	int r;

	if (!u)
		return err_set(e, ENOMEM, "out of memory");
	u->o = *o;
	u->in = pax_reader_new(in);
	u->dir = dir;
	u->as = top;
	u->parent = -1;
	r = u->in ? unpack_all(u, t, &why) : err_set(&why, ENOMEM, "out of memory");
	*ret = (struct tree_unpacked){.top = u->top_mode, .skipped = u->skipped};
	unpack_free(&u);
	if (r < 0 && e)
		*e = why;
	return r;
}
