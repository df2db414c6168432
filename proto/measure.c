/* SPDX-License-Identifier: MIT */
/*
 * Adding up a tree that its owner may change meanwhile; see measure.h. Opens nothing but
 * directories. Runs in a process of the keeper's, as root of the container's user namespace.
 */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include "base/dirents.h"
#include "base/fd.h"
#include "tree_links.h"

#define DEPTH_MAX 200
#define LINKS_MAX 100000

struct measuring {
	uint64_t bytes;
	unsigned int depth;
	struct links links;
	struct err *e;
};

static bool is_counted(struct measuring *m, const struct stat *st)
{
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2 || m->links.n >= LINKS_MAX)
		return false;
	return links_find(&m->links, st) || links_keep(&m->links, st, "", NULL) < 0;
}

static int measure_inside(struct measuring *m, int parent, const char *name);

/* What is gone by the time that it is looked at takes nothing. */
static int measure_one(struct measuring *m, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(m->e, errno, "looking at %.64s", name);
	if (!is_counted(m, &st))
		m->bytes += (uint64_t)st.st_blocks * 512;
	return S_ISDIR(st.st_mode) && m->depth < DEPTH_MAX ? measure_inside(m, dir, name) : 0;
}

static int measure_inside(struct measuring *m, int parent, const char *name)
{
	_cleanup_fd_ int dir = fd_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	_cleanup_dirents_ struct dirents *d = dir < 0 ? NULL : dirents_open(dir);
	const char *entry;
	int r;

	if (dir < 0)
		return dir == -ENOENT || dir == -EXDEV || dir == -ENOTDIR
			       ? 0
			       : err_errno(m->e, dir, "opening %.64s", name);
	if (!d)
		return err_set(m->e, ENOMEM, "out of memory");
	m->depth++;
	while ((r = dirents_next(d, &entry)) == 1) {
		r = measure_one(m, dir, entry);
		if (r < 0)
			return r;
	}
	m->depth--;
	return r < 0 ? err_errno(m->e, r, "listing a directory") : 0;
}

int measure_directory(int dir, uint64_t *ret, struct err *e)
{
	struct measuring m = {.e = e};
	int r = measure_one(&m, dir, ".");

	links_free(&m.links);
	*ret = m.bytes;
	return r;
}
