/* SPDX-License-Identifier: MIT */
/*
 * Copying, mounting and forgetting the files of one container; see copies.h. A thread owns its
 * copy's `mounts` and `failure` until it has said through the pipe that it ends.
 */
#include "copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../proto/base/fd.h"
#include "../proto/base/thread.h"
#include "erofs_mount.h"

#define RUNNING_MAX   8 /* a small image's copy needn't wait for large ones */
#define WAITING_MAX   1024
#define CHUNK_BYTES   (8U << 20) /* whole blocks, as sharing them takes; behind each it can end */
#define CONTAINER_MAX 64

struct copy {
	struct copy *next;
	struct copies *all;
	char container[CONTAINER_MAX + 1];
	struct rootfs_file *files;
	uint32_t n_files, serial;
	int userns;
	copies_fn fn;
	void *arg;
	bool running;
	atomic_bool cancelled;
	pthread_t thread;
	int mounts[ROOTFS_MOUNTS_MAX];
	uint32_t n_mounts;
	struct err failure;
};

struct copies {
	int ended[2]; /* carries pointers of copies whose thread ends */
	struct watch *watch;
	struct copy *first; /* in the order of asking */
	unsigned int n, running;
	uint32_t serial;
};

/* ---- in a thread ---- */

static int copy_bytes(struct copy *c, int from, int to)
{
	struct stat st;
	ssize_t n;

	if (fstat(from, &st) < 0)
		return -errno;
	for (off_t left = st.st_size; left > 0; left -= n) {
		if (atomic_load(&c->cancelled))
			return -ECANCELED;
		n = copy_file_range(from, NULL, to, NULL, MIN((size_t)left, CHUNK_BYTES), 0);
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
	}
	return 0;
}

static int copy_file(struct copy *c, const struct rootfs_file *f, const char *name, struct err *e)
{
	_cleanup_fd_ int from = open(f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int to = -1;
	int r;

	if (from < 0)
		return err_errno(e, errno, "opening it");
	to = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = to < 0 ? -errno : copy_bytes(c, from, to);
	if (r == -ECANCELED)
		return err_set(e, ECANCELED, "called off while it was copied");
	return r < 0 ? err_errno(e, r, "making a private copy") : 0;
}

static int copy_open(struct copy *c, uint32_t i, struct err *e)
{
	_cleanup_fd_ int mnt = -1;
	char name[64];
	int r;

	snprintf(name, sizeof(name), "images/tmp/copy-%u-%u", c->serial, i);
	r = copy_file(c, &c->files[i], name, e);
	if (r == 0)
		r = mnt = erofs_mount_file(name, e);
	unlinkat(AT_FDCWD, name, 0);
	if (r >= 0)
		r = rootfs_map_ids(mnt, c->userns, e);
	return r < 0 ? err_prefix(e, "%s", c->files[i].what) : take_fd(&mnt);
}

/* To give the blocks of a large file back takes time, too. */
static void drop_mounts(struct copy *c)
{
	while (c->n_mounts > 0)
		fd_close(&c->mounts[--c->n_mounts]);
}

static void *copy_all(void *arg)
{
	struct copy *c = arg;
	struct err e;
	int r = 0;

	while (r >= 0 && c->n_mounts < c->n_files) {
		r = copy_open(c, c->n_mounts, &e);
		if (r >= 0)
			c->mounts[c->n_mounts++] = r;
	}
	if (r < 0) {
		c->failure = e;
		drop_mounts(c);
	}
	if (write(c->all->ended[1], &c, sizeof(c)) != sizeof(c))
		abort();
	return NULL;
}

/* ---- in the loop ---- */

static void copy_free(struct copy *c)
{
	drop_mounts(c);
	fd_close(&c->userns);
	free(c->files);
	free(c);
}

static void copy_unlink(struct copy *c)
{
	struct copy **p = &c->all->first;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->all->n--;
}

static void copy_end(struct copy *c)
{
	copy_unlink(c);
	c->fn(c->arg, c->mounts, c->n_mounts, c->failure.code ? &c->failure : NULL);
	copy_free(c);
}

static void copies_go_on(struct copies *all)
{
	for (struct copy *c = all->first, *next; c && all->running < RUNNING_MAX; c = next) {
		int r;

		next = c->next;
		if (c->running)
			continue;
		r = thread_start(&c->thread, copy_all, c);
		if (r < 0) {
			err_errno(&c->failure, r, "starting a thread to copy layers");
			copy_end(c);
			continue;
		}
		c->running = true;
		all->running++;
	}
}

static void on_ended(void *arg, int what)
{
	struct copies *all = arg;
	struct copy *c;

	(void)what;
	if (read(all->ended[0], &c, sizeof(c)) != sizeof(c))
		return;
	pthread_join(c->thread, NULL);
	all->running--;
	copy_end(c);
	copies_go_on(all);
}

struct copies *copies_new(struct loop *l)
{
	struct copies *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	if (pipe2(all->ended, O_CLOEXEC) < 0) {
		free(all);
		return NULL;
	}
	all->watch = loop_fd(l, all->ended[0], LOOP_READ, on_ended, all);
	if (!all->watch) {
		copies_free(all);
		return NULL;
	}
	return all;
}

void copies_free(struct copies *all)
{
	if (!all)
		return;
	for (struct copy *c = all->first; c; c = c->next)
		atomic_store(&c->cancelled, true);
	while (all->first) {
		struct copy *c = all->first;

		if (c->running)
			pthread_join(c->thread, NULL);
		copy_unlink(c);
		copy_free(c);
	}
	watch_free(all->watch);
	fd_close(&all->ended[0]);
	fd_close(&all->ended[1]);
	free(all);
}

bool copies_idle(const struct copies *all)
{
	return !all->first;
}

static int copy_new(const struct image *image, int userns, struct copy **ret, struct err *e)
{
	struct rootfs_file files[ROOTFS_MOUNTS_MAX];
	struct copy *c;
	uint32_t n;
	int r = rootfs_check_userns(userns, e);

	if (r == 0)
		r = rootfs_files(image, files, &n, e);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->n_files = n;
	c->files = calloc(n + 1, sizeof(*files));
	c->userns = fcntl(userns, F_DUPFD_CLOEXEC, 0);
	if (c->files && c->userns >= 0) {
		memcpy(c->files, files, n * sizeof(*files));
		*ret = c;
		return 0;
	}
	r = err_errno(e, c->files ? errno : ENOMEM, "noting what to copy");
	copy_free(c);
	return r;
}

int copies_begin(struct copies *all, const char *container, const struct image *image, int userns,
	copies_fn fn, void *arg, struct err *e)
{
	struct copy **last = &all->first, *c;
	int r;

	if (all->n >= WAITING_MAX)
		return err_set(e, EBUSY, "layers of %u containers are being copied; wait for them",
			all->n);
	r = copy_new(image, userns, &c, e);
	if (r < 0)
		return r;
	snprintf(c->container, sizeof(c->container), "%s", container);
	c->all = all;
	c->serial = all->serial++;
	c->fn = fn;
	c->arg = arg;
	while (*last)
		last = &(*last)->next;
	*last = c;
	all->n++;
	copies_go_on(all);
	return 0;
}

void copies_cancel(struct copies *all, const char *container)
{
	for (struct copy *c = all->first, *next; c; c = next) {
		next = c->next;
		if (strcmp(c->container, container) != 0)
			continue;
		atomic_store(&c->cancelled, true);
		if (c->running)
			continue;
		err_set(&c->failure, ECANCELED, "called off while it waited to be copied");
		copy_end(c);
	}
}
