/* SPDX-License-Identifier: MIT */
/*
 * The keeper: one beside each shim, made before the shim goes behind its system call filter, since
 * what is cloned from behind a filter stays behind it, and a container's processes have their own.
 * It sleeps until the shim wants a process in the container, holds what such a process joins by,
 * and lets it go at the end. It has no capability and reads nothing but the shim's frames and the
 * specs that come with them: no byte of a container. Should the shim be killed, it takes its place.
 */
#pragma once

#include "joiner.h"
#include "messages.h"

/* What the keeper has of a container: by what later processes join, what they take from its spec,
 * and what the shim reads. */
struct hold {
	bool full;
	struct join join;
	uint32_t umask;
	uint64_t caps;
	bool new_privs, tty;
	char *cwd;
	struct process_rlimit rlimits[PROCESS_RLIMITS_MAX];
	unsigned int n_rlimits;
	int filter, log, outputs[2];
	uint32_t n_outputs;
	int rtnl; /* of the container's network, for who takes the shim's place */
};
void hold_init(struct hold *h);
/* Closes what joins, the filter and rtnl; the rest is the caller's. Does not wait for namespaces
 * to end. */
void hold_let_go(struct hold *h);

struct keeper {
	int sock; /* the shim's end */
	pid_t pid;
};

#define KEEPER_ORPHANED 1

/* In the shim, once it has dropped every privilege: clones the keeper, which keeps the descriptors
 * of *first and the listener (-1: none). Returns 0 there. It returns KEEPER_ORPHANED in the keeper
 * when the shim has died, holds the container in *h, and there is a listener: that process is the
 * shim from now on, and starts a keeper of its own. */
int keeper_start(struct keeper *k, struct hold *h, const struct ns_first *first, int listener,
	struct err *e);

/* One of keeper_*; does not wait. A sentence when the keeper has died or is stuck. */
int keeper_say(const struct keeper *k, enum msg_type type, const void *msg, struct err *e);
