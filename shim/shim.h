/* SPDX-License-Identifier: MIT */
/*
 * The shim: one per container. It owns the container's user namespace, its streams and its exit
 * status.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "channel.h"
#include "io.h"
#include "joiner.h"
#include "keeper.h"
#include "ns.h"
#include "outlog.h"
#include "reply.h"
#include "source.h"

enum shim_state {
	SHIM_STANDBY = 1,  /* the first process waits for orders */
	SHIM_BUSY = 2,	   /* it cleans */
	SHIM_STARTING = 4, /* it is on its way to execve */
	SHIM_RUNNING = 8,
	SHIM_DRAINING = 16, /* the workload is gone, clients still take its output */
	SHIM_ENDED = 32,
};

/* What the keeper gets once the first process has executed. */
struct shim_hold {
	int spec, filter, pts, log, outputs[2];
	int ns[NS_COUNT];
	int procs[JOIN_PROCS_MAX];
	uint32_t n_procs, n_outputs;
};

struct exec;

struct shim {
	struct channel channel;
	int epoll;
	struct source channel_source, signal_source, child_source;
	struct source listener;	    /* where the next engine connects; -1: none */
	struct source first_source; /* of a first process that is not our child: its pidfd */
	enum shim_state state, before_clean;
	bool stopping;
	uint32_t request; /* id of the shim_start or shim_clean under way */
	struct err failure;
	bool announced; /* the first process is about to execve */

	struct ns_first first;
	struct keeper keeper;
	struct shim_hold hold;
	struct hold held; /* full: by the shim whose place this one takes */
	bool tty, has_in;
	bool visit; /* the first process is none of the container's: process.h */
	bool host_net;

	struct outlog log;
	struct io io;
	int status; /* waitid's, once the workload is gone */
	int status_code;
	uint64_t finished_at;
	bool unknown;	       /* how it ended */
	uint64_t ask_until_ns; /* monotonic; 0: it is not being asked for */
	struct exec *execs;
	uint8_t *chunk;
};

/* Opens the event loop; channel, listener.fd, first, keeper and held are there already. */
int shim_prepare(struct shim *s, struct err *e);

void on_channel(struct source *src, uint32_t events); /* messages of the supervisor */

/* Serves until the container is done with. */
void shim_serve(struct shim *s);

/* first.c */
void first_listen(struct source *src, uint32_t events); /* a word of the first process */
void first_gone(struct shim *s, const siginfo_t *info); /* it has been reaped */
void first_kill(struct shim *s); /* and waits for its end, and that of all execs */
void first_say_exited(struct io *io);
void first_say_end(struct shim *s); /* the same news once more */
void on_shim_clean(
	struct shim *s, uint32_t id, void *msg, struct frame *f); /* by the first process */
void first_let_network_go(struct shim *s);
void on_shim_network(struct shim *s, uint32_t id, void *msg, struct frame *f);
void on_shim_measure(struct shim *s, uint32_t id, void *msg, struct frame *f);
void on_clean_ended(struct shim *s, uint32_t id, void *msg, struct frame *f); /* by the keeper */
void hold_drop(struct shim_hold *h);

/* orphan.c: a workload whose first shim has died */
int orphan_take_over(struct shim *s, struct err *e);
uint64_t orphan_deadline(const struct shim *s); /* 0: none */
void orphan_expire(struct shim *s, uint64_t now_ns);

/* wait.c: without a supervisor */
bool wait_for_next(struct shim *s); /* false: there is no sense in it */
void wait_listen(struct source *src, uint32_t events);

/* exec.c */
void on_shim_exec(struct shim *s, uint32_t id, void *msg, struct frame *f);
struct exec *exec_find(struct shim *s, uint32_t number);
int exec_resize(struct exec *x, uint32_t rows, uint32_t cols, struct err *e);
void exec_ending(struct shim *s, pid_t pid);		 /* a child that is not reaped yet */
void exec_reaped(struct shim *s, const siginfo_t *info); /* of any child but the workload */
uint64_t exec_deadline(const struct shim *s);		 /* 0: none */
void exec_expire(struct shim *s, uint64_t now_ns);
