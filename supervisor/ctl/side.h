/* SPDX-License-Identifier: MIT */
/*
 * The local side of a copy: a process of its own with the caller's rights, made before ctl talks to
 * the engine and gives up its capabilities (ctl_connect). What comes out of a container flows
 * through it, or is written by it into one; ctl itself asks, listens and decides.
 */
#pragma once

#include "base/err.h"
#include "base/fd.h"

struct side {
	pid_t pid;   /* 0: none */
	int report;  /* what it has to say at its end */
	int verdict; /* whether the other side has done its part */
};
#define SIDE_NONE ((struct side){.report = -1, .verdict = -1})

/* Runs fn in the child, which alone keeps `near`, and does without `far`: the two ends of a pipe.
 */
struct side_call {
	int (*fn)(void *arg, int verdict, struct err *e);
	void *arg;
	int *near, far;
};
int side_start(struct side *s, const struct side_call *call, struct err *e);

/* In fn, when there will be something to clean up: signals of the terminal are for ctl, whose end
 * is seen by the closed verdict; one who writes beyond his limit is told so. For a child of the
 * side that has nothing to clean up: as they were. */
void side_shield(bool on);

/* In fn: waits for something to read; -ENODATA if the end is all that comes, -ECANCELED if ctl has
 * gone. */
int side_wait(int fd, int verdict, struct err *e);
/* In fn: waits for the other side's end; -ECANCELED, with nothing to say, if that was a failure. */
int side_verdict(int verdict);

/* Tells it the verdict, waits for its end, and returns its error; at most once. A side that was not
 * started has none. */
int side_end(struct side *s, bool good, struct err *e);
/* For a call that ends early. */
void side_drop(struct side *s);
#define _cleanup_side_ _cleanup_(side_drop)
