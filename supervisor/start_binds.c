/* SPDX-License-Identifier: MIT */
/*
 * The step of a start that makes one mapped clone of each bind's source, and of --rootfs.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "device_rules.h"
#include "mounts.h"
#include "start.h"

bool wants_binds(const struct job *j)
{
	return j->ctr->n_sources > 0 || j->ctr->rootfs >= 0;
}

struct bind_wait {
	struct job *job;
	int *slot;
	int *held; /* the source */
	bool device;
	const char *source; /* for people */
};

static void bind_done(struct job *j)
{
	struct start *s = j->data;

	if (--s->binds_waiting == 0)
		start_step_end(s->bind_ref, s->bind_failure.code ? &s->bind_failure : NULL);
}

static void bind_failed(struct bind_wait *w, const struct err *e)
{
	struct start *s = w->job->data;
	bool lost = w->device && e->code == ESTALE;

	if (lost)
		fd_close(w->held);
	if (s->bind_failure.code || (lost && s->may_lack))
		return;
	s->bind_failure = *e;
	err_prefix(&s->bind_failure, "%.96s", w->source);
}

static void on_bind(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct bind_wait *w = arg;
	const struct mount_mapped *m = msg;

	if (m)
		*w->slot = frame_take_fd(f, m->tree);
	else
		bind_failed(w, e);
	if (m && m->again >= 0) {
		fd_close(w->held);
		*w->held = frame_take_fd(f, m->again);
	}
	bind_done(w->job);
	free(w);
}

static void map_source(struct job *j, int userns, int *source, const struct mount *how, int *slot)
{
	struct bind_wait *w = calloc(1, sizeof(*w));
	struct start *s = j->data;

	MSG_DECLARE(mount_map, m);
	if (!w)
		abort();
	*w = (struct bind_wait){j, slot, source, how->kind && mount_is(how, "device"),
		how->source ? how->source : how->target};
	m.source = *source;
	m.userns = userns;
	m.owner = j->ctr->owner;
	m.readonly = how->readonly;
	m.recursive = true;
	m.as_is = ctr_create(j->ctr)->device_rules.n > 0;
	m.nodes = device_rules_given(j->ctr);
	m.node = how->node;
	m.device = w->device;
	s->binds_waiting++;
	helper_request(j->engine, H_IMAGED, MSG_mount_map, &m, START_HELPER_MS, on_bind, w);
}

static void map_all(struct job *j, int userns)
{
	const struct create *o = ctr_create(j->ctr);
	const struct mount root = {.source = o->rootfs};
	struct start *s = j->data;

	s->binds_waiting = 1;
	for (uint32_t i = 0; i < o->mounts.n && s->n_binds < j->ctr->n_sources; i++) {
		if (!mount_has_source(&o->mounts.v[i]))
			continue;
		s->binds[s->n_binds] = -1;
		if (j->ctr->sources[s->n_binds] >= 0)
			map_source(j, userns, &j->ctr->sources[s->n_binds], &o->mounts.v[i],
				&s->binds[s->n_binds]);
		s->n_binds++;
	}
	if (j->ctr->rootfs >= 0)
		map_source(j, userns, &j->ctr->rootfs, &root, &s->rootfs);
	bind_done(j);
}

static void on_idmap(void *ref, int ns, const struct err *e)
{
	if (e)
		start_step_end(ref, e);
	else
		map_all(step_job(ref), ns);
}

/* Of root's files the container's root is root; of a user's, that user, and nobody else exists. */
void start_binds(struct job *j, void *ref)
{
	((struct start *)j->data)->bind_ref = ref;
	if (j->ctr->owner == 0)
		map_all(j, j->ctr->shim->userns);
	else
		idmaps_get(j->engine, j->ctr, on_idmap, ref);
}
