/* SPDX-License-Identifier: MIT */
/*
 * libevent underneath; see loop.h. A watch that is freed inside its own callback is only marked,
 * and released when the callback returns.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#define SIGNALS_MAX 4

struct loop {
	struct event_base *base;
	struct watch *signals[SIGNALS_MAX];
	unsigned int n_signals;
	int code;
	bool stopped;
};

struct watch {
	struct event *ev;
	struct loop *loop;
	int fd;
	bool running, dead;
	void (*on_fd)(void *arg, int what);
	void (*on_timer)(void *arg);
	void *arg;
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->base = event_base_new();
	if (!l->base) {
		free(l);
		return NULL;
	}
	signal(SIGPIPE, SIG_IGN);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->n_signals > 0)
		watch_free(l->signals[--l->n_signals]);
	event_base_free(l->base);
	free(l);
}

int loop_run(struct loop *l)
{
	/* What libevent is told to stop before it runs it forgets. */
	if (!l->stopped && event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		return -EIO;
	l->stopped = false;
	return l->code;
}

void loop_stop(struct loop *l, int code)
{
	l->code = code;
	l->stopped = true;
	event_base_loopbreak(l->base);
}

static void on_stop_signal(void *arg)
{
	loop_stop(arg, 0);
}

int loop_stop_on_signals(struct loop *l, struct err *e)
{
	int r = loop_signal(l, SIGTERM, on_stop_signal, l, e);

	return r < 0 ? r : loop_signal(l, SIGINT, on_stop_signal, l, e);
}

static void dispatch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	w->running = true;
	if (w->on_fd)
		w->on_fd(w->arg,
			(what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
	else
		w->on_timer(w->arg);
	w->running = false;
	if (w->dead)
		watch_free(w);
}

static struct watch *watch_new(struct loop *l, int fd, short what, void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = l;
	w->fd = fd;
	w->arg = arg;
	w->ev = event_new(l->base, fd, what, dispatch, w);
	if (!w->ev) {
		free(w);
		return NULL;
	}
	return w;
}

static short event_flags(int what)
{
	return (short)(EV_PERSIST | (what & LOOP_READ ? EV_READ : 0) |
		       (what & LOOP_WRITE ? EV_WRITE : 0));
}

struct watch *loop_fd(struct loop *l, int fd, int what, void (*fn)(void *arg, int what), void *arg)
{
	struct watch *w = watch_new(l, fd, event_flags(what), arg);

	if (!w)
		return NULL;
	w->on_fd = fn;
	if (what && event_add(w->ev, NULL) < 0) {
		watch_free(w);
		return NULL;
	}
	return w;
}

int watch_change(struct watch *w, int what)
{
	event_del(w->ev);
	if (!what)
		return 0;
	if (event_assign(w->ev, w->loop->base, w->fd, event_flags(what), dispatch, w) < 0 ||
		event_add(w->ev, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void timer_again(struct watch *w, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(w->ev, &tv);
}

struct watch *loop_timer(struct loop *l, uint64_t ms, void (*fn)(void *arg), void *arg)
{
	struct watch *w = watch_new(l, -1, 0, arg);

	if (!w)
		return NULL;
	w->on_timer = fn;
	timer_again(w, ms);
	return w;
}

int loop_signal(struct loop *l, int signo, void (*fn)(void *arg), void *arg, struct err *e)
{
	struct watch *w = l->n_signals < SIGNALS_MAX
				  ? watch_new(l, signo, EV_SIGNAL | EV_PERSIST, arg)
				  : NULL;

	if (w) {
		w->on_timer = fn;
		l->signals[l->n_signals++] = w;
	}
	return w && event_add(w->ev, NULL) == 0
		       ? 0
		       : err_set(e, ENOMEM, "SIG%s cannot be watched", sigabbrev_np(signo));
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	event_del(w->ev);
	if (w->running) {
		w->dead = true;
		return;
	}
	event_free(w->ev);
	free(w);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

uint64_t time_now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t time_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}
