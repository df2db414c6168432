/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a container that has ended: its restart policy, and the starts that nobody asks
 * for. What is needed to go on with them lies in the container's record.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "messages.h"

#define RESTART_PAUSE_MIN_MS 100
#define RESTART_PAUSE_MAX_MS 60000
#define RESTART_CALM_NS	     10000000000ULL /* of a run: the pauses begin anew */

struct ctr;
struct chan;
struct engine;

enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_UNLESS_STOPPED };

struct restart {
	uint32_t count;	   /* starts since the last one that somebody asked for */
	uint64_t pause_ms; /* before the last of them; 0: none */
	bool stopped;	   /* by somebody: only he starts it again, or an engine that starts */
	bool again;	   /* it was ended to be started anew, whatever its policy says */
	bool automatic;	   /* the start that is under way */
	bool by_hand;	   /* the next start is the second half of a `restart` */
	struct watch *timer;
	struct {
		struct chan *client; /* NULL: nobody */
		int in, out, err;
		uint32_t rows, cols;
	} follower; /* who started it attached: later runs get his streams too */
};

/* docker's arithmetic: the pause after one of last_ms and a run of up_ns. */
uint64_t restart_next_pause(uint64_t last_ms, uint64_t up_ns);

/* -EINVAL with a sentence when a container can't have the policy that its options name. */
int restart_check(const struct create *o, struct err *e);
enum restart_policy restart_policy(const struct create *o);
/* Whether the policy wants one more start after an end with this code. */
bool restart_wanted(const struct create *o, uint32_t count, uint32_t exit_code);

/* It has ended, or (up_ns 0) an automatic start has failed: true when it is to be started again;
 * its status says so then. The caller saves the record. */
bool restart_plan(struct ctr *c, uint64_t up_ns);
/* Somebody starts it: counts and pauses begin anew. */
void restart_reset(struct ctr *c);
/* Somebody ends it. A start that was planned is not made, and the container has ended. Whether its
 * record had to be saved. */
bool restart_stop(struct ctr *c);
/* A signal by which people end containers, rather than tell them something. */
bool restart_is_end(const struct ctr *c, uint32_t signal);
/* It ran, and ended with the whole engine: what follows is no restart of the policy's. */
void restart_lost(struct ctr *c);
/* Nothing holds up any more what was due meanwhile. */
void restart_resume(struct ctr *c);
/* Of a record that was loaded: goes on with what was planned; when the engine starts anew, what its
 * policy wants to run is started. */
void restart_settle(struct ctr *c);

/* follow.c: streams of the client who started it, lent; kept while he is there. */
void follow_begin(struct ctr *c, struct chan *client, const struct container_start *how);
/* Fresh duplicates for one more start. */
void follow_again(struct ctr *c, struct container_start *ret);
void follow_resize(struct ctr *c, uint32_t rows, uint32_t cols);
void follow_end(struct ctr *c);
void follow_forget_client(struct engine *g, const struct chan *client);
