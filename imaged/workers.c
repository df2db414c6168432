/* SPDX-License-Identifier: MIT */
/*
 * Worker channels; see workers.h.
 */
#include "workers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../proto/base/fd.h"

#define START_DEADLINE_MS 20000
#define WORKERS_MAX	  12 /* of a kind, slow ones and all; the launcher allows 16 */
#define FETCH_MAX	  4  /* pulls at a time, */
#define SPARE_MAX	  1  /* unpack workers that come while as many as may be are busy */

struct worker {
	struct worker *next;
	struct workers *all;
	enum worker_kind kind;
	struct chan *chan;
	uint32_t name;
	unsigned int users;
	bool ending, slow;
	struct watch *idle; /* runs while nobody uses it */
};

struct workers {
	struct workers_setup setup;
	struct worker *first;
	unsigned int wanted[WORKER_KINDS]; /* asked for and not yet here */
	struct watch *start_timer[WORKER_KINDS];
	struct watch *change_timer;
	bool ending;
};

static const struct {
	const char *name;
	enum role role;
} kinds[WORKER_KINDS] = {
	[WORKER_FETCH] = {"fetch", FETCH},
	[WORKER_UNPACK] = {"unpack", UNPACK},
};

static void on_change(void *arg)
{
	struct workers *w = arg;

	w->setup.changed(w->setup.arg);
}

static void note_change(struct workers *w)
{
	if (w->change_timer)
		timer_again(w->change_timer, 0);
	else
		w->change_timer = loop_timer(w->setup.loop, 0, on_change, w);
}

struct workers *workers_new(const struct workers_setup *setup)
{
	struct workers *w = calloc(1, sizeof(*w));

	if (w)
		w->setup = *setup;
	return w;
}

void *workers_arg(const struct workers *w)
{
	return w->setup.arg;
}

static void unlink_worker(struct worker *gone)
{
	for (struct worker **pp = &gone->all->first; *pp; pp = &(*pp)->next)
		if (*pp == gone) {
			*pp = gone->next;
			return;
		}
}

static void worker_free(struct worker *w)
{
	watch_free(w->idle);
	free(w);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	w->ending = true;
	while (w->first) {
		struct worker *gone = w->first;

		w->first = gone->next;
		chan_close(gone->chan);
		worker_free(gone);
	}
	for (unsigned int k = 0; k < WORKER_KINDS; k++)
		watch_free(w->start_timer[k]);
	watch_free(w->change_timer);
	free(w);
}

/* The channel is closed and its requests have failed. */
static void worker_gone(struct worker *w)
{
	struct workers_setup *setup = &w->all->setup;

	unlink_worker(w);
	if (setup->over && w->name)
		setup->over(setup->arg, kinds[w->kind].name, w->name);
	setup->lost(setup->arg, w);
	note_change(w->all);
	worker_free(w);
}

static void on_close(void *self, struct chan *c)
{
	struct workers *all = self;

	for (struct worker *w = all->first; w; w = w->next)
		if (w->chan == c) {
			worker_gone(w);
			return;
		}
}

void worker_kill(struct worker *w)
{
	w->ending = true;
	chan_close(w->chan);
	worker_gone(w);
}

static void on_idle(void *arg)
{
	struct worker *w = arg;

	if (w->users == 0)
		worker_kill(w);
}

static void start_idling(struct worker *w)
{
	unsigned int ms = w->all->setup.idle_ms;

	if (w->all->setup.keep)
		return;
	if (w->idle)
		timer_again(w->idle, ms);
	else
		w->idle = loop_timer(w->all->setup.loop, ms, on_idle, w);
}

static bool is_channel(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

int workers_add(struct workers *w, const char *kind, uint32_t name, int fd, struct err *e)
{
	_cleanup_fd_ int owned = fd;
	struct worker *fresh;
	unsigned int k = 0, n = 0;

	while (k < WORKER_KINDS && strcmp(kinds[k].name, kind) != 0)
		k++;
	if (k == WORKER_KINDS)
		return err_set(e, EINVAL, "worker kind \"%s\" is neither fetch nor unpack", kind);
	if (!is_channel(owned))
		return err_set(e, EBADF, "what came as a %s worker is no channel", kind);
	for (const struct worker *i = w->first; i; i = i->next)
		n += i->kind == (enum worker_kind)k;
	if (n >= WORKERS_MAX)
		return err_set(e, EBUSY, "more %s workers than anybody asked for", kind);
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return err_set(e, ENOMEM, "out of memory");
	*fresh = (struct worker){
		.next = w->first, .all = w, .kind = (enum worker_kind)k, .name = name};
	fresh->chan = chan_open(w->setup.loop, owned,
		&(struct chan_setup){.self = IMAGED,
			.peer = kinds[k].role,
			.handlers = k == WORKER_FETCH ? w->setup.fetch_handlers : NULL,
			.arg = w,
			.on_close = on_close});
	if (!fresh->chan) {
		free(fresh);
		return err_set(e, ENOMEM, "out of memory");
	}
	take_fd(&owned);
	w->first = fresh;
	if (w->wanted[k] > 0)
		w->wanted[k]--;
	start_idling(fresh);
	note_change(w);
	return 0;
}

static void none_came(struct workers *w, enum worker_kind kind)
{
	if (w->wanted[kind] == 0)
		return;
	w->wanted[kind] = 0;
	for (const struct worker *i = w->first; i; i = i->next)
		if (i->kind == kind)
			return; /* fewer than asked for will do */
	w->setup.missing(w->setup.arg, kind);
}

static void on_no_fetch(void *arg)
{
	none_came(arg, WORKER_FETCH);
}

static void on_no_unpack(void *arg)
{
	none_came(arg, WORKER_UNPACK);
}

static void want(struct workers *w, enum worker_kind kind)
{
	void (*late)(void *arg) = kind == WORKER_FETCH ? on_no_fetch : on_no_unpack;

	w->wanted[kind]++;
	w->setup.want(w->setup.arg, kinds[kind].name);
	if (w->start_timer[kind])
		timer_again(w->start_timer[kind], START_DEADLINE_MS);
	else
		w->start_timer[kind] = loop_timer(w->setup.loop, START_DEADLINE_MS, late, w);
}

struct worker *workers_get(struct workers *w, enum worker_kind kind)
{
	unsigned int max = kind == WORKER_FETCH ? FETCH_MAX : w->setup.unpack_max;
	unsigned int spare = kind == WORKER_FETCH || w->setup.keep ? 0 : SPARE_MAX;
	unsigned int n = 0, busy = 0, slow = 0;
	struct worker *found = NULL;

	for (struct worker *i = w->first; i; i = i->next) {
		if (i->kind != kind)
			continue;
		n++;
		busy += i->users > 0 && !i->slow;
		slow += i->slow;
		if (i->users == 0 || (kind == WORKER_FETCH && w->setup.keep))
			found = i;
	}
	if (found && busy < max) {
		found->users++;
		return found;
	}
	if (w->setup.keep && n > 0) /* a debug run has those that it began with */
		return NULL;
	n += w->wanted[kind];
	if (n < WORKERS_MAX && n < max + slow + (busy >= max ? spare : 0))
		want(w, kind);
	return NULL;
}

void worker_set_slow(struct worker *w, bool slow)
{
	if (slow && !w->slow)
		note_change(w->all);
	w->slow = slow;
}

void worker_put(struct worker *w)
{
	w->slow &= w->users > 1;
	if (--w->users > 0 || w->ending || w->all->ending)
		return;
	if (w->all->setup.keep)
		note_change(w->all);
	else
		worker_kill(w);
}

struct chan *worker_chan(struct worker *w)
{
	return w->chan;
}
