/* SPDX-License-Identifier: MIT */
/*
 * Records on disk; see keep.h. Trusts its directory to be written by nobody else, and of what it
 * reads there nothing: disks lie.
 */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

static const char mark[8] = "\nsum64:";

struct trailer {
	char mark[sizeof(mark)];
	uint64_t sum; /* of this machine's byte order: the files don't travel */
};

struct names {
	char old[NAME_MAX + 1], tmp[NAME_MAX + 1];
};

/* Between looking whether a record is still the newest and removing the old one nobody may come in
 * between. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* FNV-1a (draft-eastlake-fnv): each step is one to one, so that a single byte that has changed is
 * always seen. */
static uint64_t sum_of(const uint8_t *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int names_of(const char *name, struct names *ret)
{
	if ((size_t)snprintf(ret->old, sizeof(ret->old), "%s.old", name) >= sizeof(ret->old) ||
		(size_t)snprintf(ret->tmp, sizeof(ret->tmp), ".%s.tmp", name) >= sizeof(ret->tmp))
		return -ENAMETOOLONG;
	return 0;
}

static int write_tmp(int dir, const struct names *names, const void *buf, size_t n)
{
	struct trailer t = {.sum = sum_of(buf, n)};
	_cleanup_fd_ int fd =
		openat(dir, names->tmp, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	memcpy(t.mark, mark, sizeof(mark));
	r = fd_write_all(fd, buf, n);
	if (r == 0)
		r = fd_write_all(fd, &t, sizeof(t));
	return r < 0 ? r : take_fd(&fd);
}

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An old one that is there already is the last that has been on the disk. */
static int take_place(int dir, const char *name, const struct names *names)
{
	bool moved = !exists(dir, names->old) && renameat(dir, name, dir, names->old) == 0;
	int r;

	if (renameat(dir, names->tmp, dir, name) == 0)
		return 0;
	r = -errno;
	if (moved)
		renameat(dir, names->old, dir, name);
	return r;
}

int keep_write(int dir, const char *name, const void *buf, size_t n, int *ret_file)
{
	_cleanup_fd_ int fd = -1;
	struct names names;
	int r = names_of(name, &names);

	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	r = fd = write_tmp(dir, &names, buf, n);
	if (r >= 0)
		r = take_place(dir, name, &names);
	if (r < 0)
		unlinkat(dir, names.tmp, 0);
	pthread_mutex_unlock(&lock);
	if (r == 0 && ret_file)
		*ret_file = take_fd(&fd);
	return r;
}

int keep_sync(int dir, int file)
{
	return fsync(file) < 0 || fsync(dir) < 0 ? -errno : 0;
}

static bool is_newest(int dir, const char *name, int file)
{
	struct stat here, there;

	return fstat(file, &here) == 0 && fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino;
}

int keep_settle(int dir, const char *name, int file)
{
	struct names names;
	int r = names_of(name, &names);

	if (r == 0)
		r = keep_sync(dir, file);
	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	if (is_newest(dir, name, file))
		unlinkat(dir, names.old, 0);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* What a power cut makes of a file whose bytes it has not waited for. */
static bool is_blank(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static int read_one(int dir, const char *name, size_t max, uint8_t **ret, size_t *ret_len)
{
	_cleanup_free_ uint8_t *buf = NULL;
	struct trailer t;
	size_t n;
	int r = fd_read_file_at(dir, name, max + sizeof(t), (char **)&buf, &n);

	if (r < 0)
		return r;
	if (is_blank(buf, n))
		return -ENODATA;
	if (n < sizeof(t))
		return -EBADMSG;
	n -= sizeof(t);
	memcpy(&t, buf + n, sizeof(t));
	if (memcmp(t.mark, mark, sizeof(mark)) != 0 || t.sum != sum_of(buf, n))
		return -EBADMSG;
	*ret_len = n;
	*ret = TAKE_PTR(buf);
	return 0;
}

int keep_read(int dir, const char *name, size_t max, uint8_t **ret, size_t *ret_len)
{
	struct names names;
	int old, r = names_of(name, &names);

	if (r == 0)
		r = read_one(dir, name, max, ret, ret_len);
	if (r == 0 || r == -ENAMETOOLONG)
		return r;
	old = read_one(dir, names.old, max, ret, ret_len);
	if (old == 0)
		return 1;
	/* The worse of the two: something that once was whole may be mended by hand. */
	if (old == -ENOENT || old == -ENODATA)
		return r == -ENOENT ? old : r;
	return r == -ENOENT || r == -ENODATA ? old : r;
}

/* The old one first, or it would come back when the power fails in between. */
int keep_remove(int dir, const char *name)
{
	struct names names;
	int r = names_of(name, &names);

	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	unlinkat(dir, names.tmp, 0);
	if ((unlinkat(dir, names.old, 0) < 0 && errno != ENOENT) ||
		(unlinkat(dir, name, 0) < 0 && errno != ENOENT))
		r = -errno;
	pthread_mutex_unlock(&lock);
	return r;
}
