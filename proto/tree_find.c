/* SPDX-License-Identifier: MIT */
/*
 * What a path of cp means; see tree.h. In a container's world whatever is there may change at any
 * moment: a name is resolved once, and then only descriptors count.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tree.h"

#define LINKS_MAX 40 /* as many as the kernel follows, path_resolution(7) */

static int open_in(int world, const char *path, int flags)
{
	if (world == TREE_OWN_WORLD)
		return fd_openat2(AT_FDCWD, path, flags, 0, 0);
	while (*path == '/')
		path++;
	return fd_openat2(
		world, *path ? path : ".", flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

void tree_place_free(struct tree_place *p)
{
	fd_close(&p->dir);
	fd_close(&p->parent);
}

/* Takes "/" and "/." off the end, but for what is nothing else; true if there was any. */
static bool cut_end(char *path)
{
	size_t n = strlen(path), was = n;

	for (;;) {
		if (n > 1 && path[n - 1] == '/')
			n--;
		else if (n > 1 && path[n - 1] == '.' && path[n - 2] == '/')
			n -= n > 2 ? 2 : 1;
		else
			break;
	}
	path[n] = '\0';
	return n != was || strcmp(path, ".") == 0 || strcmp(path, "/") == 0;
}

/* The last name of a path that cut_end has seen: "" when there is none, and for "..". */
static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? "" : name;
}

int tree_base_name(const char *path, char buf[NAME_MAX + 1], struct err *e)
{
	size_t n = strlen(path);
	char copy[PATH_MAX];

	buf[0] = '\0';
	if (n >= sizeof(copy))
		return err_set(e, ENAMETOOLONG, "%.60s…: a path of more than %d bytes", path,
			PATH_MAX - 1);
	memcpy(copy, path, n + 1);
	if (strcmp(path, ".") == 0 || (n >= 2 && strcmp(path + n - 2, "/.") == 0))
		return 0;
	cut_end(copy);
	if (snprintf(buf, NAME_MAX + 1, "%s", last_name(copy)) > NAME_MAX)
		return err_set(e, ENAMETOOLONG, "%.60s…: a name of more than %d bytes",
			last_name(copy), NAME_MAX);
	return 0;
}

/* ---- one look ---- */

struct look {
	int world;
	char path[PATH_MAX];
	bool follow;
	struct tree_place *at;
};

static int open_parent(struct look *l, size_t n, struct err *e)
{
	char parent[PATH_MAX];
	int fd;

	snprintf(parent, sizeof(parent), "%.*s", (int)n, l->path);
	fd = open_in(l->world, n > 0 ? parent : ".", O_PATH | O_DIRECTORY);
	if (fd < 0 && fd != -ENOENT)
		return err_errno(e, fd, "%s", parent);
	l->at->parent = MAX(fd, -1);
	return 0;
}

/* The link at fd instead of the last name, which begins at n. */
static int step(struct look *l, int fd, size_t n, struct err *e)
{
	char to[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t len = readlinkat(fd, "", to, sizeof(to) - 1);
	int total;

	if (len < 0)
		return err_errno(e, errno, "%s", l->path);
	to[len] = '\0';
	total = snprintf(joined, sizeof(joined), "%.*s%s", to[0] == '/' ? 0 : (int)n, l->path, to);
	if (total >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "%.60s…: a link to a path of more than %d bytes",
			l->path, PATH_MAX - 1);
	memcpy(l->path, joined, (size_t)total + 1);
	l->at->wants_dir = cut_end(l->path) || l->at->wants_dir;
	fd_close(&l->at->parent);
	return 1;
}

/* 1: followed a link, look again. */
static int look(struct look *l, struct err *e)
{
	const char *name = last_name(l->path);
	size_t n = strlen(l->path) - strlen(name);
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r;

	if (!*name) { /* the root, the current directory, or something above it */
		l->at->dir = open_in(l->world, l->path, O_PATH | O_DIRECTORY);
		l->at->kind = TREE_DIR;
		return l->at->dir < 0 ? err_errno(e, l->at->dir, "%s", l->path) : 0;
	}
	if (strlen(name) > NAME_MAX)
		return err_errno(e, ENAMETOOLONG, "%.60s…", name);
	memcpy(l->at->name, name, strlen(name) + 1);
	r = open_parent(l, n, e);
	if (r < 0 || l->at->parent < 0)
		return r;
	fd = fd_openat2(l->at->parent, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
	if (fd < 0)
		return fd == -ENOENT ? 0 : err_errno(e, fd, "%s", l->path);
	if (fstat(fd, &st) < 0)
		return err_errno(e, errno, "%s", l->path);
	if (S_ISLNK(st.st_mode) && l->follow)
		return step(l, fd, n, e);
	l->at->kind = S_ISDIR(st.st_mode)   ? TREE_DIR
		      : S_ISREG(st.st_mode) ? TREE_FILE
		      : S_ISLNK(st.st_mode) ? TREE_LINK
					    : TREE_OTHER;
	if (l->at->kind == TREE_DIR)
		l->at->dir = take_fd(&fd);
	return 0;
}

int tree_find(int world, const char *path, bool follow, struct tree_place *ret, struct err *e)
{
	struct look l = {.world = world, .at = ret};
	int r = 1;

	*ret = (struct tree_place){.dir = -1, .parent = -1};
	if (strlen(path) >= sizeof(l.path))
		return err_set(e, ENAMETOOLONG, "%.60s…: a path of more than %d bytes", path,
			PATH_MAX - 1);
	snprintf(l.path, sizeof(l.path), "%s", *path ? path : ".");
	ret->wants_dir = cut_end(l.path);
	l.follow = follow || ret->wants_dir;
	for (int i = 0; r == 1 && i < LINKS_MAX; i++)
		r = look(&l, e);
	if (r == 1)
		r = err_errno(e, ELOOP, "%s", path);
	if (r == 0 && ret->wants_dir && ret->kind != TREE_DIR && ret->kind != TREE_NOTHING)
		r = err_errno(e, ENOTDIR, "%s", path);
	return r;
}

/* ---- docker's table ---- */

void tree_target_free(struct tree_target *t)
{
	fd_close(&t->owned_dir);
}

static int name_target(struct tree_target *t, int dir, const char *name)
{
	t->dir = dir;
	snprintf(t->name, sizeof(t->name), "%s", name);
	return 0;
}

/* Into a directory that exists: under the source's own name, and if a directory of that name is
 * there, into that. */
static int target_inside(
	const struct tree_place *p, const char *base, struct tree_target *t, struct err *e)
{
	struct stat st;

	if (!*base) {
		t->of = TREE_DIR;
		t->complaint = "not a directory";
		return name_target(t, p->dir, "");
	}
	if (fstatat(p->dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? name_target(t, p->dir, base)
				       : err_errno(e, errno, "%s", base);
	t->of = S_ISDIR(st.st_mode) ? TREE_DIR : TREE_FILE;
	t->replaces = !S_ISDIR(st.st_mode);
	t->complaint = S_ISDIR(st.st_mode) ? "a file can't take the place of a directory"
					   : "a directory can't take the place of a file";
	if (!S_ISDIR(st.st_mode))
		return name_target(t, p->dir, base);
	t->owned_dir = fd_openat2(p->dir, base, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	return t->owned_dir < 0 ? err_errno(e, t->owned_dir, "%s", base)
				: name_target(t, t->owned_dir, "");
}

int tree_target(const struct tree_place *p, const char *path, const char *base,
	struct tree_target *t, struct err *e)
{
	*t = (struct tree_target){.dir = -1, .owned_dir = -1};
	if (p->kind == TREE_DIR)
		return target_inside(p, base, t, e);
	if (p->kind == TREE_NOTHING && p->parent < 0)
		return err_set(e, ENOENT, "%s: the directory it is to be in does not exist", path);
	if (p->kind == TREE_NOTHING && p->wants_dir) {
		t->of = TREE_DIR;
		t->complaint = "the directory to copy to does not exist";
	}
	if (p->kind == TREE_FILE) {
		t->of = TREE_FILE;
		t->complaint = "a directory can't be copied to a file";
		t->replaces = true;
	}
	if (p->kind != TREE_NOTHING && p->kind != TREE_FILE)
		return err_set(e, EINVAL, "%s: neither a directory nor a regular file", path);
	return name_target(t, p->parent, p->name);
}
