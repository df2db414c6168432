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
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* openat2 gives EAGAIN when something was renamed meanwhile and ".." could not be judged;
 * openat2(2). */
#define TRIES 32

static int open_how(int root, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (__u64)(flags | O_CLOEXEC), .resolve = resolve};
	long fd = -1;

	while (*path == '/')
		path++;
	for (int i = 0; i < TRIES; i++) {
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
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

/* One step of mkdir -p: the parent is known, the rest of the path isn't needed. */
static int step_dir(int root, const char *prefix, int *parent, struct err *e)
{
	const char *name = strrchr(prefix, '/');
	int fd = inroot_open(root, prefix, O_PATH | O_DIRECTORY);

	if (fd == -ENOENT) {
		name = name ? name + 1 : prefix;
		if (mkdirat(*parent, name, 0755) < 0 && errno != EEXIST)
			return err_errno(e, errno, "making the directory %s", prefix);
		fd = inroot_open(root, prefix, O_PATH | O_DIRECTORY);
	}
	if (fd < 0)
		return err_errno(e, fd, "%s in the container", prefix);
	fd_close(parent);
	*parent = fd;
	return 0;
}

int inroot_dir(int root, const char *path, int *ret, struct err *e)
{
	_cleanup_fd_ int at = inroot_open(root, path, O_PATH | O_DIRECTORY);
	char prefix[PATH_MAX];
	size_t n = 0;
	int r;

	if (at < 0 && at != -ENOENT)
		return err_errno(e, at, "%s in the container", path);
	if (at < 0) {
		at = inroot_open(root, "", O_PATH | O_DIRECTORY);
		if (strlen(path) >= sizeof(prefix))
			return err_set(e, ENAMETOOLONG, "%.60s…: a path of more than %d bytes",
				path, PATH_MAX - 1);
		while (path[n]) {
			n += strspn(path + n, "/");
			n += strcspn(path + n, "/");
			memcpy(prefix, path, n);
			prefix[n] = '\0';
			if (prefix[strspn(prefix, "/")] == '\0' || prefix[n - 1] == '/')
				continue;
			r = step_dir(root, prefix, &at, e);
			if (r < 0)
				return r;
		}
	}
	*ret = take_fd(&at);
	return 0;
}

/* Splits "/a/b" into "/a" (in buf) and returns "b"; NULL when there is no last name. */
static const char *split(const char *path, char buf[PATH_MAX])
{
	const char *name = strrchr(path, '/');
	size_t n = name ? (size_t)(name - path) : 0;

	name = name ? name + 1 : path;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || n >= PATH_MAX)
		return NULL;
	memcpy(buf, path, n);
	buf[n] = '\0';
	return name;
}

/* Makes an empty file where nothing is, or where a link leads nowhere. */
static int make_file(int root, const char *path, struct err *e)
{
	_cleanup_fd_ int dir = -1, fd = -1;
	char parent[PATH_MAX];
	const char *name = split(path, parent);
	int r;

	if (!name)
		return err_set(e, EINVAL, "%s in the container: not the name of a file", path);
	r = inroot_dir(root, parent, &dir, e);
	if (r < 0)
		return r;
	fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST && unlinkat(dir, name, 0) == 0)
		fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? err_errno(e, errno, "making %s in the container", path) : 0;
}

int inroot_file(int root, const char *path, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = inroot_open(root, path, O_PATH);
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ELOOP) {
		r = make_file(root, path, e);
		if (r < 0)
			return r;
		fd = inroot_open_strict(root, path, O_PATH);
		if (fd == -ELOOP)
			fd = inroot_open(root, path, O_PATH | O_NOFOLLOW);
	}
	if (fd < 0)
		return err_errno(e, fd, "%s in the container", path);
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
		return err_set(
			e, EISDIR, "%s in the container: a directory where a file should be", path);
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
