/* SPDX-License-Identifier: MIT */
/*
 * What the launcher lays out before it starts anybody: directories, the lock, the uid block, ctl's
 * socket.
 */
#pragma once

#include "options.h"

struct dirs {
	gid_t group; /* who may connect beside root: -1 is group bulkhead, if there is one */
	int handed;  /* ctl's socket, of a service manager that goes on listening; -1: none */
	int policy;  /* sealed memfd for the supervisor process; all three are the caller's */
	int lock;    /* held while the engine runs */
	int block;   /* lock of the uid block, the same */
	int listen;  /* ctl's socket */
	int state;   /* STATE/containers: the supervisor's own */
	int images;  /* STATE: imaged's */
	int shims;   /* RUN/shims: sockets of shims, see successor.h */
	int network; /* RUN/network: the supervisor process's, see network.c */
	bool left;   /* containers go on: what they need to be found again stays */
};

/* Makes or checks everything; fills in o->uid_base. On failure nothing that wasn't there before is
 * left. */
int dirs_open(struct options *o, struct dirs *ret, struct err *e);

/* Removes socket and run directory, unless d->left. */
void dirs_close(const struct options *o, struct dirs *d);
