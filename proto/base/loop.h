/* SPDX-License-Identifier: MIT */
/*
 * The event loop: a thin hand on libevent, so that daemons deal in four words: fd, timer, signal,
 * stop. All calls from one thread. Callbacks run from loop_run().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct loop;
struct watch; /* one registration */

struct loop *loop_new(void); /* NULL when memory is out */
void loop_free(struct loop *l);

/* Runs until loop_stop, which may have been called before; returns its code. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int code);

/* SIGTERM and SIGINT stop the loop with code 0; SIGPIPE is ignored. As loop_signal(). */
int loop_stop_on_signals(struct loop *l, struct err *e);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
/* fn is called while the descriptor is ready (level-triggered). The descriptor stays the caller's
 * and must stay open until watch_free. NULL when memory is out. */
struct watch *loop_fd(struct loop *l, int fd, int what, void (*fn)(void *arg, int what), void *arg);
int watch_change(struct watch *w, int what); /* 0 pauses */

/* fn is called once after ms milliseconds (0: at the next turn of the loop); watch_free cancels and
 * is needed also after it ran. timer_again re-arms. */
struct watch *loop_timer(struct loop *l, uint64_t ms, void (*fn)(void *arg), void *arg);
void timer_again(struct watch *w, uint64_t ms);

/* fn is called when the signal has come, for as long as there is the loop. 0 or -ENOMEM. */
int loop_signal(struct loop *l, int signo, void (*fn)(void *arg), void *arg, struct err *e);

void watch_free(struct watch *w); /* NULL is fine; safe inside its own callback */

/* ns since 1970, and ns of CLOCK_MONOTONIC. */
uint64_t time_now_ns(void);
uint64_t time_mono_ns(void);

struct event_base *loop_base(struct loop *l); /* for libraries that speak libevent */
