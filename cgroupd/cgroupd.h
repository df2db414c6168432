/* SPDX-License-Identifier: MIT */
/*
 * The daemon: what it holds, and the messages it answers.
 */
#pragma once

#include "chan.h"
#include "oom.h"
#include "tree.h"

struct pending;

struct cgroupd {
	struct loop *loop;
	struct tree tree;
	struct oom *oom;
	struct chan *chan;
	struct pending *pending; /* requests that wait for the kernel (pending.h) */
};

/* Starts watching; the tree is prepared. */
int cgroupd_start(struct cgroupd *d, struct err *e);

/* Forgets what waits. Leaves containers' cgroups alone, and the engine's own if it holds any. */
void cgroupd_stop(struct cgroupd *d);

/* Its dispatch table and what to do when the peer goes; `arg` is the struct cgroupd. */
struct chan_setup cgroupd_setup(struct cgroupd *d);
