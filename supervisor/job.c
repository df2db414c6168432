/* SPDX-License-Identifier: MIT */
/*
 * The step runner; see job.h.
 */
#include "job.h"

#include <errno.h>

static void job_go_on(struct job *j);

static void undo_all(struct job *j)
{
	unsigned int n = 0;

	while (j->steps[n].name)
		n++;
	while (n-- > 0)
		if (j->refs[n].done && j->steps[n].undo)
			j->steps[n].undo(j);
}

static void job_end(struct job *j)
{
	bool failed = j->failure.code != 0, of_ctr = j->ctr != NULL;

	if (failed && !j->best_effort)
		undo_all(j);
	if (j->ctr && j->ctr->job == j)
		j->ctr->job = NULL;
	j->on_end(j, failed ? &j->failure : NULL);
	if (j->left)
		reconcile_soon(j->engine);
	if (of_ctr)
		turns_go_on(j->engine);
	free(j);
}

void job_step_done(void *ref, const struct err *e)
{
	struct step_ref *r = ref;
	struct job *j = r->job;

	r->running = false;
	j->running--;
	if (!e) {
		r->done = true;
	} else if (!j->failure.code) {
		j->failure = *e;
		if (!j->failure.code)
			j->failure.code = EIO;
		err_prefix(&j->failure, "%s", j->steps[r->index].name);
	}
	if (j->running == 0)
		job_go_on(j);
}

void job_on_reply(void *ref, void *msg, struct frame *f, const struct err *e)
{
	(void)msg;
	(void)f;
	job_step_done(ref, e);
}

/* Starts the next group that has a wanted step; running counts one extra meanwhile, since steps may
 * end at once. */
static void job_go_on(struct job *j)
{
	for (;;) {
		unsigned int last = 0;

		if (j->failure.code && !j->best_effort)
			break;
		j->running = 1;
		for (unsigned int i = 0; j->steps[i].name; i++) {
			const struct step *s = &j->steps[i];

			last = MAX(last, s->group);
			if (s->group != j->group || (s->wanted && !s->wanted(j)))
				continue;
			j->refs[i].running = true;
			j->running++;
			s->start(j, &j->refs[i]);
		}
		j->group++;
		if (--j->running > 0)
			return;
		if (j->group > last)
			break;
	}
	job_end(j);
}

void job_begin(struct engine *g, struct ctr *c, const struct step *steps, bool best_effort,
	void *data, void (*on_end)(struct job *j, const struct err *e))
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j) {
		log_error("out of memory");
		abort();
	}
	*j = (struct job){.engine = g,
		.ctr = c,
		.steps = steps,
		.best_effort = best_effort,
		.on_end = on_end,
		.data = data};
	for (unsigned int i = 0; i < JOB_STEPS_MAX; i++)
		j->refs[i] = (struct step_ref){.job = j, .index = i};
	if (c)
		c->job = j;
	job_go_on(j);
}
