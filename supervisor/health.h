/* SPDX-License-Identifier: MIT */
/*
 * Health checks: a command that is executed in a container now and then, what its results say
 * together, and what is done when they are bad. docker's rules. The check is the container's own
 * code, run by its shim like any exec; here its exit code counts, and its output is for people.
 */
#pragma once

#include <stdbool.h>

#include "messages.h"

#define HEALTH_LOG_MAX	  5
#define HEALTH_OUTPUT_MAX 4096

struct ctr;

/* ---- health_rules.c: arithmetic ---- */

/* What the user says stands before what the image says, field by field; docker's defaults fill in
 * the rest. *ret borrows. False when nothing is to be checked (ret->test says NONE, or is empty).
 */
bool health_merge(const struct health *user, const struct health *image, struct health *ret);
/* -EINVAL with a sentence for what ctl would not say. */
int health_check_options(const struct create *o, struct err *e);
/* ms until the next check of a container that has been up for so long. */
uint64_t health_pause_ms(const struct health *h, bool starting, uint64_t up_ns);
/* Takes a result in: status and streak. A failure while it starts counts only after the start
 * period; up_ns is when the check began. True when it has just become unhealthy. */
bool health_judge(struct health_state *s, const struct health *h, bool good, uint64_t up_ns);
/* The command of a check; borrows from h, and v has room for 256. False when there is none. */
bool health_command(const struct health *h, const char *v[256], struct strv *ret);

/* ---- health.c: what is checked ---- */

/* What goes on for a container that is checked. */
struct check {
	struct health_state state; /* its log points to: */
	struct health_result log[HEALTH_LOG_MAX];
	struct watch *timer;
	uint32_t exec;	   /* under way; 0: none */
	uint64_t began_ns; /* since 1970 */
	bool counted;	   /* it has not ended in time: it is a failure already */
	bool spoiled;	   /* the container was paused meanwhile: it says nothing */
	bool acted;	   /* by this process, on its being unhealthy */
};

/* It runs: checks begin, afresh or where a predecessor of this process has left them. */
void health_begin(struct ctr *c, bool afresh);
/* It has ended. */
void health_end(struct ctr *c);
/* It was paused, or goes on. */
void health_paused(struct ctr *c);
/* The check under way will not be told of: its shim has died. */
void health_lost(struct ctr *c);
/* Whether this end was a check's. */
bool health_exited(struct ctr *c, const struct shim_exec_exited *how);
void health_free(struct ctr *c);
/* From a record; NULL: there is none yet. */
void health_restore(struct ctr *c, const struct health_state *s);
