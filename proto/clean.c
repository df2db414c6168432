/* SPDX-License-Identifier: MIT */
/*
 * Clean-up; see clean.h. Runs as root of a user namespace that maps the container's ids, so that
 * the kernel holds it to that container's files. Directories that are found are first moved up to
 * the top: so neither memory, nor descriptors, nor a path's length grow with the depth of the tree.
 */
#include "clean.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/dirents.h"
#include "base/fd.h"

struct cleaner {
	int top;
	uint64_t next;	/* number of the next directory moved up */
	uint64_t until; /* ns; 0: to the end */
	struct err *e;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int open_dir(int dir, const char *name)
{
	return fd_openat2(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* Calls fn for every entry, again and again until there is none left. */
static int each(struct cleaner *c, int dir, int (*fn)(struct cleaner *c, int dir, const char *name))
{
	_cleanup_dirents_ struct dirents *d = dirents_open(dir);
	const char *name;
	uint64_t n;
	int r;

	if (!d)
		return err_set(c->e, ENOMEM, "out of memory");
	do {
		r = dirents_rewind(d);
		for (n = 0; r == 0 && (r = dirents_next(d, &name)) == 1; n++) {
			r = fn(c, dir, name);
			if (r < 0)
				return r;
			if (c->until && now_ns() >= c->until)
				return err_set(c->e, EINPROGRESS, "there is more to remove");
		}
		if (r < 0)
			return err_errno(c->e, r, "listing a directory");
	} while (n > 0);
	return 0;
}

/* Below a directory: files go, directories move up. */
static int lift(struct cleaner *c, int dir, const char *name)
{
	char to[32];
	long r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(c->e, errno, "removing %.64s", name);
	do {
		snprintf(to, sizeof(to), ".%lu", c->next++);
		r = syscall(SYS_renameat2, dir, name, c->top, to, 1 /* RENAME_NOREPLACE */);
	} while (r < 0 && errno == EEXIST);
	return r < 0 ? err_errno(c->e, errno, "moving %.64s", name) : 0;
}

static int remove_dir(struct cleaner *c, const char *name)
{
	_cleanup_fd_ int dir = open_dir(c->top, name);
	int r;

	if (dir < 0)
		return err_errno(c->e, dir, "opening %.64s", name);
	r = each(c, dir, lift);
	if (r == 0 && unlinkat(c->top, name, AT_REMOVEDIR) < 0)
		r = err_errno(c->e, errno, "removing the directory %.64s", name);
	return r;
}

static int remove_top(struct cleaner *c, int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(c->e, errno, "removing %.64s", name);
	return remove_dir(c, name);
}

static int clean(int dir, struct cleaner *c)
{
	_cleanup_fd_ int top = open_dir(dir, ".");

	if (top < 0)
		return err_errno(c->e, top, "opening the directory to clean");
	c->top = top;
	return each(c, top, remove_top);
}

int clean_directory(int dir, struct err *e)
{
	struct cleaner c = {.e = e};

	return clean(dir, &c);
}

/* Numbers from the clock are not those of an earlier slice. */
int clean_slice(int dir, unsigned int ms, struct err *e)
{
	uint64_t now = now_ns();
	struct cleaner c = {.next = now, .until = now + ms * 1000000ULL, .e = e};

	return clean(dir, &c);
}
