/* SPDX-License-Identifier: MIT */
/*
 * The channels to --fetch and --unpack. Workers come when they are wanted (the supervisor's
 * launcher starts them), one for each pull or layer, and end with it: what a registry or a layer
 * has made of a worker reaches no other image, and no other user's password. Runs in the mounter;
 * believes nothing that a worker says.
 */
#pragma once

#include "../proto/chan.h"

enum worker_kind { WORKER_FETCH, WORKER_UNPACK };
#define WORKER_KINDS 2

struct workers;
struct worker;

struct workers_setup {
	struct loop *loop;
	bool keep; /* a debug run, which can't start another: workers stay, and are used again */
	unsigned int idle_ms;	 /* one that nobody needs goes then; not with `keep` */
	unsigned int unpack_max; /* so many unpack workers are busy at a time */
	const struct handler
		*fetch_handlers; /* for its events; their `self` is the struct workers */
	void *arg;
	void (*want)(void *arg, const char *kind); /* ask for one more */
	/* Its channel is closed: whoever started it may end it. May be NULL. */
	void (*over)(void *arg, const char *kind, uint32_t name);
	void (*changed)(void *arg); /* one came or fell idle; from the loop, not from inside */
	void (*lost)(
		void *arg, struct worker *w); /* it is gone; its requests have failed by then */
	void (*missing)(void *arg, enum worker_kind kind); /* none came in time */
};

struct workers *workers_new(const struct workers_setup *setup); /* NULL: out of memory */
void workers_free(struct workers *w);
void *workers_arg(const struct workers *w);

/* A worker's channel has come. `name` is how over() names it; 0: not at all. Takes the descriptor
 * over, also on failure. */
int workers_add(struct workers *w, const char *kind, uint32_t name, int fd, struct err *e);

/* A worker to use until worker_put(), or NULL: then one more is asked for, and changed() tells when
 * to try again. */
struct worker *workers_get(struct workers *w, enum worker_kind kind);
void worker_put(struct worker *w);

/* One that mostly waits for a registry doesn't count among those that are busy. */
void worker_set_slow(struct worker *w, bool slow);

/* Valid until lost() or worker_kill(). */
struct chan *worker_chan(struct worker *w);

/* For one that doesn't answer: closes its channel, which ends it. Calls lost(). */
void worker_kill(struct worker *w);
