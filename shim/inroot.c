/* SPDX-License-Identifier: MIT */
/*
 * Resolving inside a root; see inroot.h. Runs in the workload's first process on trees that an
 * image or a running container may change at any moment.
 */
#include "inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* As many as the kernel follows; path_resolution(7). */
#define LINKS_MAX 40

static int open_how(int root, const char *path, int flags, uint64_t resolve)
{
	while (*path == '/')
		path++;
	return fd_openat2(root, *path ? path : ".", flags, 0, resolve);
}

int inroot_open(int root, const char *path, int flags)
{
	return open_how(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int inroot_open_strict(int root, const char *path, int flags)
{
	return open_how(
		root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
}

static int say(struct err *e, int r, const char *path)
{
	if (r == -ELOOP)
		return err_set(e, ELOOP,
			"%.128s in the container: a circle of links, or a link in /proc that is not followed",
			path);
	return err_errno(e, r, "%.128s in the container", path);
}

/* ---- making what is missing, where links lead ---- */

/* `done` is the path of `at` inside the root, `todo` what comes behind it. */
struct walk {
	int root, at;
	unsigned int links;
	char done[PATH_MAX], todo[PATH_MAX];
};

static int walk_init(struct walk *w, int root, const char *path)
{
	*w = (struct walk){.root = root};
	w->at = inroot_open(root, "", O_PATH | O_DIRECTORY);
	if (w->at < 0)
		return w->at;
	return (size_t)snprintf(w->todo, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The first name of `todo` goes to `name`. 1, 0 when there is none, or -errno. */
static int walk_next(struct walk *w, char name[NAME_MAX + 1])
{
	const char *p = w->todo + strspn(w->todo, "/");
	size_t n = strcspn(p, "/");

	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, p, n);
	name[n] = '\0';
	p += n + strspn(p + n, "/");
	memmove(w->todo, p, strlen(p) + 1);
	return n > 0;
}

/* If at/name is a link, its text stands in its place. -EINVAL or -ENOENT if it is none. */
static int walk_follow(struct walk *w, const char *name)
{
	char link[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(w->at, name, link, sizeof(link));

	if (n < 0)
		return -errno;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	memcpy(rest, w->todo, strlen(w->todo) + 1);
	if ((size_t)snprintf(w->todo, PATH_MAX, "%.*s/%s", (int)n, link, rest) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (link[0] != '/')
		return 0;
	fd_close(&w->at);
	w->done[0] = '\0';
	w->at = inroot_open(w->root, "", O_PATH | O_DIRECTORY);
	return w->at < 0 ? w->at : 0;
}

static int walk_into(struct walk *w, const char *name, struct err *e)
{
	char path[PATH_MAX];
	int fd, r;

	if ((size_t)snprintf(path, PATH_MAX, "%s/%s", w->done, name) >= PATH_MAX)
		return say(e, -ENAMETOOLONG, w->done);
	fd = inroot_open(w->root, path, O_PATH | O_DIRECTORY);
	if (fd == -ENOENT) {
		r = walk_follow(w, name);
		if (r != -EINVAL && r != -ENOENT)
			return r < 0 ? say(e, r, path) : 0;
		if (mkdirat(w->at, name, 0755) < 0 && errno != EEXIST)
			return err_errno(
				e, errno, "making the directory %.128s in the container", path);
		fd = inroot_open(w->root, path, O_PATH | O_DIRECTORY);
	}
	if (fd < 0)
		return say(e, fd, path);
	fd_close(&w->at);
	w->at = fd;
	memcpy(w->done, path, strlen(path) + 1);
	return 0;
}

/* at/name as an empty file, unless it is there; if it is a link the walk goes on. */
static int walk_file(struct walk *w, const char *name, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(e, EINVAL, "%.128s/%s in the container: not the name of a file",
			w->done, name);
	fd = openat(w->at, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return err_errno(e, errno, "making %.128s/%s in the container", w->done, name);
	r = fd < 0 ? walk_follow(w, name) : -EINVAL;
	if (r != -EINVAL && r != -ENOENT)
		return r < 0 ? say(e, r, name) : 0;
	*ret = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_errno(e, errno, "%.128s/%s in the container", w->done, name) : 0;
}

/* To the directory, or with `ret_file` to the file in the last one. */
static int walk_all(struct walk *w, int *ret_file, struct err *e)
{
	char name[NAME_MAX + 1];
	int r;

	for (;;) {
		r = walk_next(w, name);
		if (r < 0)
			return say(e, r, w->done);
		if (r == 0)
			return 0;
		r = ret_file && !w->todo[0] ? walk_file(w, name, ret_file, e)
					    : walk_into(w, name, e);
		if (r < 0)
			return r;
	}
}

static int make(int root, const char *path, bool file, int *ret, struct err *e)
{
	struct walk w;
	int fd = -1, r = walk_init(&w, root, path);

	r = r < 0 ? say(e, r, path) : walk_all(&w, file ? &fd : NULL, e);
	if (r == 0 && file && fd < 0)
		r = err_set(e, EINVAL, "%.128s in the container: not the name of a file", path);
	if (r == 0)
		*ret = file ? fd : take_fd(&w.at);
	fd_close(&w.at);
	return r;
}

int inroot_dir(int root, const char *path, int *ret, struct err *e)
{
	int fd = inroot_open(root, path, O_PATH | O_DIRECTORY);

	if (fd == -ENOENT)
		return make(root, path, false, ret, e);
	if (fd < 0)
		return say(e, fd, path);
	*ret = fd;
	return 0;
}

static bool same_mount(int a, int b)
{
	struct statx x, y;

	return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0 &&
	       statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) == 0 &&
	       x.stx_mask & y.stx_mask & STATX_MNT_ID && x.stx_mnt_id == y.stx_mnt_id;
}

int inroot_drop_dead_link(int root, const char *dir, const char *name, struct err *e)
{
	_cleanup_fd_ int fd = inroot_open(root, dir, O_PATH | O_DIRECTORY), there = -1;
	char path[PATH_MAX], link[2];

	if (fd < 0 || !same_mount(root, fd) || readlinkat(fd, name, link, sizeof(link)) < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	there = inroot_open(root, path, O_PATH);
	if (there != -ENOENT && there != -ELOOP)
		return 0;
	return unlinkat(fd, name, 0) < 0 ? err_errno(e, errno, "replacing the link %s", path) : 0;
}

int inroot_file(int root, const char *path, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = inroot_open(root, path, O_PATH);
	struct stat st;
	int r = fd < 0 && fd != -ENOENT ? say(e, fd, path) : 0;

	if (fd == -ENOENT)
		r = make(root, path, true, &fd, e);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
		return err_set(e, EISDIR,
			"%.128s in the container: a directory where a file should be", path);
	*ret = take_fd(&fd);
	return 0;
}

int inroot_real_dir(int root, const char *name, int *ret, struct err *e)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
	int fd = inroot_open_strict(root, name, flags);

	if ((fd == -ENOTDIR || fd == -ELOOP) && unlinkat(root, name, 0) < 0)
		return err_errno(e, errno, "replacing /%s of the image", name);
	if (fd < 0) {
		if (mkdirat(root, name, 0755) < 0)
			return err_errno(e, errno, "making /%s in the container", name);
		fd = inroot_open_strict(root, name, flags);
	}
	if (fd < 0)
		return err_errno(e, fd, "/%s in the container", name);
	*ret = fd;
	return 0;
}
