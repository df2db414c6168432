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
#include "ns.h"
#include "outlog.h"
#include "process.h"
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

#define SHIM_PROCS_MAX 14

/* What execs take from the container's spec. */
struct shim_kept {
	uint32_t umask;
	int64_t oom_score_adj;
	uint64_t caps;
	bool new_privs;
	char *cwd;
	struct process_rlimit rlimits[PROCESS_RLIMITS_MAX];
	unsigned int n_rlimits;
};

struct exec;

struct shim {
	struct channel channel;
	int epoll;
	struct source channel_source, signal_source, child_source;
	enum shim_state state;
	bool stopping;
	uint32_t request; /* id of the shim_start or shim_clean under way */
	struct err failure;
	bool announced; /* the first process is about to execve */

	struct ns_first first;
	int ns[NS_COUNT], pts; /* from the workload, for execs */
	int procs[SHIM_PROCS_MAX];
	uint32_t n_procs;
	int filter; /* the workload's, for execs; or -1 */
	struct shim_kept kept;
	bool tty, has_in;

	struct outlog log;
	struct io io;
	int status; /* waitid's, once the workload is gone */
	int status_code;
	uint64_t finished_at;
	struct exec *execs;
	uint8_t *chunk;
};

/* Serves until the container is done with. Returns an exit code. */
int shim_run(struct shim *s, struct err *e);

/* first.c */
void first_listen(struct source *src, uint32_t events); /* a word of the first process */
void first_gone(struct shim *s, const siginfo_t *info); /* it has been reaped */
void first_kill(struct shim *s); /* and waits for its end, and that of all execs */
void first_say_exited(struct io *io);
void first_say_end(struct shim *s); /* the same news once more */
void on_clean_ended(struct shim *s, uint32_t id, void *msg, struct frame *f);

/* exec.c */
void on_shim_exec(struct shim *s, uint32_t id, void *msg, struct frame *f);
struct exec *exec_find(struct shim *s, uint32_t number);
int exec_resize(struct exec *x, uint32_t rows, uint32_t cols, struct err *e);
void exec_reaped(struct shim *s, const siginfo_t *info); /* of any child but the workload */
uint64_t exec_deadline(const struct shim *s);		 /* 0: none */
void exec_expire(struct shim *s, uint64_t now_ns);
