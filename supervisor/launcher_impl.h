/* SPDX-License-Identifier: MIT */
/*
 * What the launcher's parts share; launcher.c has its life, launcher_shims.c the shims that outlive
 * who started them.
 */
#pragma once

#include "backoff.h"
#include "base/loop.h"
#include "launch.h"
#include "launcher.h"
#include "programs.h"

struct heir;

struct child {
	struct child *next;
	struct launcher *launcher;
	uint32_t role, slot, flags;
	pid_t pid;
	int spare; /* a duplicate of the supervisor's end of its channel; -1 for imaged's workers */
	int pidfd; /* of a shim that is not our child; else -1 */
	struct watch *end, *patience; /* of pidfd; once it has been forgotten */
};

struct launcher {
	struct loop *loop;
	struct options *o;
	struct dirs *d;
	struct programs programs;
	struct child *children;
	struct heir *heirs; /* places of dead shims that somebody may be taking */
	struct watch *words, *again, *stop_timer, *killer, *watchdog;
	int channel;		/* to the supervisor process */
	struct backoff backoff; /* of the supervisor process */
	bool orphans;		/* a shim has died before its workload, once */
	bool settled;		/* a supervisor has started what starts with the engine */
	bool ending;
	bool leaving;		 /* ending, and containers go on without us */
	unsigned int last_tries; /* of supervisors that were to end and were killed */
	int code;		 /* to exit with */
};

/* pid 0: any */
struct child *child_find(struct launcher *l, uint32_t role, uint32_t slot, pid_t pid);
void child_drop(struct launcher *l, struct child *gone);
/* It has ended: the supervisor is told, and it is dropped. */
void child_gone(struct launcher *l, struct child *c, int status, bool stranger);
/* To the supervisor, if there is one. */
void launcher_tell(struct launcher *l, const struct launch_frame *f, int with_fd);

#define LAST_TRIES 5 /* to end well, by supervisors that are killed meanwhile */

/* The supervisor process is killed, which starts another one; why: NULL when that needs no words.
 */
void launcher_distrust(struct launcher *l, const char *why);

/* launcher_end.c */
/* Once the supervisor process is gone: the loop is stopped when all others are, too. */
void launcher_end(struct launcher *l);
bool launcher_all_ended(const struct launcher *l);
void launcher_on_stop(void *arg);
void launcher_on_leave(void *arg);
/* Waits for orphans that are just ending. */
void launcher_reap(void);

/* launcher_shims.c */
/* Shims of an engine that has died are ours from now on; what else runs under our uids is killed.
 */
void shims_take_over(struct launcher *l);
/* A shim has ended, as waitpid says (of a stranger: 0). If its keeper may take its place, that is
 * told, and looked into. */
void heirs_look(struct launcher *l, const struct launch_frame *gone, bool stranger);
bool heirs_pending(const struct launcher *l, uint32_t slot);
/* Nothing of the slot may run any more; all slots for 0. */
void shims_kill(struct launcher *l, uint32_t slot);
