/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the disk in a thread of its own: nothing of a container's start waits there, and a
 * disk that stands still stops nobody who doesn't need it. The thread starts before the system call
 * filter, which therefore needs no row for threads; it holds nothing but the descriptors it is
 * given.
 */
#include "saver.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/keep.h"
#include "base/thread.h"

struct saver {
	int asked[2], saved[2]; /* carry pointers to struct saving */
	struct watch *watch;
	sem_t up;
};

struct saving {
	int file, dir, parent, also;
	const char *name;
	saved_fn fn;
	void *arg;
	int result;
};

static void saving_free(struct saving *w)
{
	fd_close(&w->file);
	fd_close(&w->dir);
	fd_close(&w->parent);
	fd_close(&w->also);
	free(w);
}

/* ---- the thread ---- */

static int sync_one(int fd)
{
	return fd >= 0 && fsync(fd) < 0 ? -errno : 0;
}

static int save_one(const struct saving *w)
{
	int r = sync_one(w->also);

	if (r == 0)
		r = keep_settle(w->dir, w->name, w->file);
	return r == 0 ? sync_one(w->parent) : r;
}

static void *save_all(void *arg)
{
	struct saver *s = arg;
	struct saving *w;

	sem_post(&s->up);
	while (read(s->asked[0], &w, sizeof(w)) == sizeof(w)) {
		w->result = save_one(w);
		if (write(s->saved[1], &w, sizeof(w)) != sizeof(w))
			abort();
	}
	return NULL;
}

/* ---- the loop ---- */

static void on_saved(void *arg, int what)
{
	struct saver *s = arg;
	struct saving *w;
	struct err e = {0};

	(void)what;
	if (read(s->saved[0], &w, sizeof(w)) != sizeof(w))
		return;
	if (w->result < 0)
		err_errno(&e, w->result, "waiting for its record to reach the disk");
	w->fn(w->arg, w->result < 0 ? &e : NULL);
	saving_free(w);
}

static int start(struct saver *s, struct loop *l)
{
	int r;

	if (pipe2(s->asked, O_CLOEXEC) < 0 || pipe2(s->saved, O_CLOEXEC) < 0)
		return -errno;
	s->watch = loop_fd(l, s->saved[0], LOOP_READ, on_saved, s);
	if (!s->watch)
		return -ENOMEM;
	sem_init(&s->up, 0, 0);
	r = thread_start(NULL, save_all, s);
	/* Its own first calls are behind it when the filter comes. */
	while (r == 0 && sem_wait(&s->up) < 0)
		;
	return r;
}

int saver_start(struct loop *l, struct saver **ret, struct err *e)
{
	struct saver *s = calloc(1, sizeof(*s));
	int r = s ? start(s, l) : -ENOMEM;

	if (r < 0)
		return err_errno(e, r, "a thread that waits for the disk");
	*ret = s;
	return 0;
}

static int own(int fd, bool *full)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	*full = *full || (fd >= 0 && copy < 0);
	return copy;
}

int saver_put(struct saver *s, const struct save *what, saved_fn fn, void *arg, struct err *e)
{
	struct saving *w = calloc(1, sizeof(*w));

	bool full = false;

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	*w = (struct saving){.file = own(what->file, &full),
		.dir = own(what->dir, &full),
		.parent = own(what->parent, &full),
		.also = own(what->also, &full),
		.name = what->name,
		.fn = fn,
		.arg = arg};
	if (!full && write(s->asked[1], &w, sizeof(w)) == sizeof(w))
		return 0;
	err_errno(e, errno, "waiting for the disk");
	saving_free(w);
	return -e->code;
}
