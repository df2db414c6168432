/* SPDX-License-Identifier: MIT */
/*
 * Out-of-memory kills. v1 signals an eventfd registered in cgroup.event_control
 * (cgroup-v1/memory.rst, section 10); v2 wakes pollers of memory.events with POLLPRI
 * (cgroup-v2.rst). Both count kills under the key oom_kill. All watched files hang on one epoll of
 * our own: libevent doesn't know POLLPRI. Runs in cgroupd.
 */
#include "oom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "usage.h"

/* v1 signals when it starts looking for a victim, before it counts the kill (mem_cgroup_oom). */
#define RECHECK_MS  5
#define RECHECK_MAX 40

struct oom {
	struct loop *loop;
	const struct tree *tree;
	void (*fn)(void *arg, const char *id);
	void *arg;
	int epoll_fd;
	struct watch *watch;
	void *groups; /* tsearch tree of struct group_watch by id */
};

struct group_watch {
	char id[GROUP_ID_MAX + 1];
	struct oom *oom;
	int fd;		/* v1: eventfd; v2: memory.events */
	uint64_t kills; /* told so far */
	struct watch *recheck;
	unsigned int rechecks;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct group_watch *)a)->id, ((const struct group_watch *)b)->id);
}

static void watch_drop(void *p)
{
	struct group_watch *w = p;

	fd_close(&w->fd); /* leaves the epoll, too */
	watch_free(w->recheck);
	free(w);
}

static struct group_watch *find(struct oom *o, const char *id)
{
	struct group_watch key = {0};
	void *node;

	snprintf(key.id, sizeof(key.id), "%s", id);
	node = tfind(&key, &o->groups, compare);
	return node ? *(struct group_watch **)node : NULL;
}

static int read_kills(const struct oom *o, const char *id, uint64_t *ret)
{
	const struct branch *b = tree_find(o->tree, CTL_MEMORY);
	char path[GROUP_PATH_MAX];

	return usage_number(b->base_fd,
		group_path(path, id, b->version == 1 ? "memory.oom_control" : "memory.events"),
		"oom_kill", ret);
}

static bool tell(struct group_watch *w, uint64_t kills)
{
	if (kills <= w->kills)
		return false;
	w->kills = kills;
	w->oom->fn(w->oom->arg, w->id);
	return true;
}

/* True when there was a kill that had not been told. */
static bool look(struct group_watch *w)
{
	uint64_t kills;

	return read_kills(w->oom, w->id, &kills) == 0 && tell(w, kills);
}

static void on_recheck(void *arg)
{
	struct group_watch *w = arg;

	if (!look(w) && ++w->rechecks < RECHECK_MAX)
		timer_again(w->recheck, RECHECK_MS);
}

static void recheck_later(struct group_watch *w)
{
	w->rechecks = 0;
	if (w->recheck)
		timer_again(w->recheck, RECHECK_MS);
	else
		w->recheck = loop_timer(w->oom->loop, RECHECK_MS, on_recheck, w);
}

/* One at a time: fn may drop a watch that a second event would point to. The epoll stays readable.
 */
static void on_event(void *arg, int what)
{
	struct oom *o = arg;
	struct epoll_event ev;
	struct group_watch *w;
	char drain[1024];

	(void)what;
	if (epoll_wait(o->epoll_fd, &ev, 1, 0) != 1)
		return;
	w = ev.data.ptr;
	/* Clears the eventfd, or tells the kernel which state of memory.events has been seen. */
	if (ev.events & EPOLLPRI ? pread(w->fd, drain, sizeof(drain), 0) <= 0
				 : read(w->fd, drain, sizeof(uint64_t)) < 0) {
		epoll_ctl(o->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); /* the group is gone */
		return;
	}
	if (!look(w) && !(ev.events & EPOLLPRI))
		recheck_later(w);
}

static int open_v1(const struct branch *b, const char *id, int *ret, struct err *e)
{
	char path[GROUP_PATH_MAX], text[32];
	_cleanup_fd_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), control = -1;
	int r;

	if (fd < 0)
		return err_errno(e, errno, "eventfd");
	control = openat(
		b->base_fd, group_path(path, id, "memory.oom_control"), O_RDONLY | O_CLOEXEC);
	if (control < 0)
		return err_errno(e, errno, "memory.oom_control");
	snprintf(text, sizeof(text), "%d %d", fd, control);
	r = fd_write_file_at(b->base_fd, group_path(path, id, "cgroup.event_control"), text);
	if (r < 0)
		return err_errno(e, r, "cgroup.event_control");
	*ret = take_fd(&fd);
	return 0;
}

static int open_v2(const struct branch *b, const char *id, int *ret, struct err *e)
{
	char path[GROUP_PATH_MAX], seen[1024];
	_cleanup_fd_ int fd =
		openat(b->base_fd, group_path(path, id, "memory.events"), O_RDONLY | O_CLOEXEC);

	/* Until it has been read once, poll says that it changed. */
	if (fd < 0 || pread(fd, seen, sizeof(seen), 0) < 0)
		return err_errno(e, errno, "memory.events");
	*ret = take_fd(&fd);
	return 0;
}

static int start(struct group_watch *w, const struct branch *b, struct err *e)
{
	struct epoll_event ev = {.events = b->version == 1 ? EPOLLIN : EPOLLPRI, .data.ptr = w};
	int r = b->version == 1 ? open_v1(b, w->id, &w->fd, e) : open_v2(b, w->id, &w->fd, e);

	if (r < 0)
		return err_prefix(e, "watching memory of container %s", w->id);
	if (epoll_ctl(w->oom->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) < 0)
		return err_errno(e, errno, "watching memory of container %s", w->id);
	if (!tsearch(w, &w->oom->groups, compare))
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

int oom_watch(struct oom *o, const char *id, struct err *e)
{
	const struct branch *b = tree_find(o->tree, CTL_MEMORY);
	struct group_watch *w;
	int r;

	if (!b || find(o, id))
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	snprintf(w->id, sizeof(w->id), "%s", id);
	w->oom = o;
	w->fd = -1;
	r = start(w, b, e);
	if (r < 0)
		watch_drop(w);
	return r;
}

void oom_count(struct oom *o, const char *id, uint64_t kills)
{
	struct group_watch *w = find(o, id);

	if (w)
		tell(w, kills);
}

void oom_forget(struct oom *o, const char *id)
{
	struct group_watch *w = find(o, id);

	if (!w)
		return;
	tdelete(w, &o->groups, compare);
	watch_drop(w);
}

/* Those of a former run; what was killed before is no news. */
static void watch_again(void *arg, const char *id)
{
	struct oom *o = arg;
	struct err e = {0};
	struct group_watch *w;

	if (oom_watch(o, id, &e) < 0)
		log_warn("%s", e.text);
	w = find(o, id);
	if (w)
		read_kills(o, id, &w->kills);
}

static void watch_existing(struct oom *o)
{
	const struct branch *b = tree_find(o->tree, CTL_MEMORY);

	if (b)
		group_each(b, watch_again, o);
}

struct oom *oom_new(
	struct loop *l, const struct tree *t, void (*fn)(void *arg, const char *id), void *arg)
{
	struct oom *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	*o = (struct oom){l, t, fn, arg, epoll_create1(EPOLL_CLOEXEC), NULL, NULL};
	if (o->epoll_fd >= 0)
		o->watch = loop_fd(l, o->epoll_fd, LOOP_READ, on_event, o);
	if (!o->watch) {
		oom_free(o);
		return NULL;
	}
	watch_existing(o);
	return o;
}

void oom_free(struct oom *o)
{
	if (!o)
		return;
	tdestroy(o->groups, watch_drop);
	watch_free(o->watch);
	fd_close(&o->epoll_fd);
	free(o);
}
