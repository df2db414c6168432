/* SPDX-License-Identifier: MIT */
/*
 * Work in steps, each of which asks some process for something: a table of {name, group, start,
 * undo}. Steps of one group run side by side, groups one after the other. When a step fails, the
 * others of its group are awaited, and then everything that had succeeded is undone, last first;
 * the job ends with the first failure's sentence, prefixed by the step's name.
 */
#pragma once

#include "engine.h"

#define JOB_STEPS_MAX 8

struct job;

struct step {
	const char *name; /* NULL ends the table */
	unsigned int group;
	bool (*wanted)(const struct job *j); /* NULL: always */
	/* Must end in exactly one job_step_done(ref, …), now or later. */
	void (*start)(struct job *j, void *ref);
	/* Must not fail, must not wait; NULL: nothing to undo. */
	void (*undo)(struct job *j);
};

struct step_ref {
	struct job *job;
	unsigned int index;
	bool running, done;
};

struct job {
	struct engine *engine;
	struct ctr *ctr;
	const struct step *steps;
	struct step_ref refs[JOB_STEPS_MAX];
	unsigned int group, running;
	struct err failure; /* the first */
	bool best_effort;   /* go on after failures (clean-up jobs) */
	bool left;	    /* something that reconcile() is to look at, soon */
	void (*on_end)(struct job *j,
		const struct err *e); /* e NULL: all done. Frees what it hung on the job. */
	void *data;
};

/* Runs it; the job is freed after on_end. */
void job_begin(struct engine *g, struct ctr *c, const struct step *steps, bool best_effort,
	void *data, void (*on_end)(struct job *j, const struct err *e));
/* The step that ref belongs to has succeeded (e NULL) or failed. */
void job_step_done(void *ref, const struct err *e);
/* A reply_fn for steps that want nothing from the reply. */
void job_on_reply(void *ref, void *msg, struct frame *f, const struct err *e);

/* finish.c: a step that gets the container a shim of its own uids. */
void job_get_shim(struct job *j, void *ref);

static inline struct job *step_job(void *ref)
{
	return ((struct step_ref *)ref)->job;
}
