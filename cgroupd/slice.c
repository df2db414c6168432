/* SPDX-License-Identifier: MIT */
/*
 * Makes and removes slices; see slice.h. Runs in cgroupd; the ids are checked. That a slice is ours
 * to remove is told by its sticky bit, which means nothing else to a directory of root's, and which
 * a cgroupd that is started again finds there.
 */
#include "slice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "group.h"

static const char suffix[] = ".slice";

bool slice_is_word(const char *word, size_t n)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return n > 0 && word[0] != '-' && strspn(word, letters) == n;
}

bool slice_is(const char *name, size_t n)
{
	size_t own = n > strlen(suffix) ? n - strlen(suffix) : 0;

	return slice_is_word(name, own) && memcmp(name + own, suffix, strlen(suffix)) == 0;
}

const char *slice_behind(const char *id)
{
	for (;;) {
		size_t n = strcspn(id, "/");

		if (!id[n])
			return id;
		if (!slice_is(id, n))
			return NULL;
		id += n + 1;
	}
}

static int make_one(const struct branch *b, const char *path, struct err *e)
{
	_cleanup_fd_ int fd = -1, parent_fd = -1;
	int r;

	if (mkdirat(b->base_fd, path, S_ISVTX | 0755) < 0 && errno != EEXIST)
		return err_errno(e, errno, "making slice %s in %s", path, b->mount);
	if (b->version == 1 && !(b->controllers & 1U << CTL_CPUSET))
		return 0;
	fd = openat(b->base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return err_errno(e, errno, "slice %s in %s", path, b->mount);
	/* Somebody's may be older than this cgroupd, and so without what ours are born with. */
	r = b->version == 1 ? tree_share_cpuset(fd, parent_fd, e)
			    : tree_hand_on(fd, b->controllers, e);
	return r < 0 ? err_prefix(e, "slice %s in %s", path, b->mount) : 0;
}

int slice_make(const struct branch *b, const char *id, struct err *e)
{
	char path[GROUP_ID_MAX + 1];
	int r = 0;

	for (const char *end = strchr(id, '/'); end && r == 0; end = strchr(end + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(end - id), id);
		r = make_one(b, path, e);
	}
	return r;
}

void slice_drop(const struct branch *b, const char *id)
{
	char path[GROUP_ID_MAX + 1], *end;
	struct stat st;

	snprintf(path, sizeof(path), "%s", id);
	while ((end = strrchr(path, '/'))) {
		*end = '\0';
		if (fstatat(b->base_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return;
		} else if (!(st.st_mode & S_ISVTX) ||
			   unlinkat(b->base_fd, path, AT_REMOVEDIR) < 0) {
			return;
		}
	}
}
