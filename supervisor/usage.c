/* SPDX-License-Identifier: MIT */
/*
 * What containers take of the disk: one after the other, each measured inside its own uids, by its
 * shim or by one that is started for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "job.h"

#define HELPER_MS  30000
#define MEASURE_MS 120000

/* One request of ctl. */
struct usage {
	struct relay *relay;
	struct container_usage_is sum;
	char (*ids)[ID_LEN + 1]; /* of all that there were */
	uint32_t n, at;
	const char *id; /* of the one that is measured */
	int writable, out[2];
	struct watch *watch, *timer;
	void *ref; /* of the job's step, when there is a job */
};

static void usage_next(struct usage *u);

static void add(struct usage *u, const struct ctr *c, uint64_t bytes)
{
	u->sum.bytes += bytes;
	if (c->status != CTR_RUNNING)
		u->sum.reclaimable += bytes;
}

/* ---- one measurement: through a pipe, so that nothing of the shim's waits for it ---- */

static void measured(struct usage *u)
{
	void *ref = TAKE_PTR(u->ref);

	watch_free(u->watch);
	watch_free(u->timer);
	u->watch = u->timer = NULL;
	fd_close(&u->out[0]);
	fd_close(&u->out[1]);
	fd_close(&u->writable);
	if (ref)
		job_step_done(ref, NULL);
	else
		usage_next(u);
}

static void on_bytes(void *arg, int what)
{
	struct usage *u = arg;
	struct ctr *c = ctr_by_id(u->relay->engine, u->id);
	uint64_t bytes;

	(void)what;
	if (read(u->out[0], &bytes, sizeof(bytes)) == sizeof(bytes) && c)
		add(u, c, bytes);
	measured(u);
}

static void on_slow(void *arg)
{
	measured(arg);
}

static void on_asked(void *arg, void *msg, struct frame *f, const struct err *e)
{
	(void)arg;
	(void)msg;
	(void)f;
	if (e)
		log_debug("measuring: %s", e->text); /* the pipe has ended, which is heard */
}

static void measure(struct usage *u, struct ctr *c)
{
	MSG_DECLARE(shim_measure, m);

	if (!c->shim || !c->shim->chan || pipe2(u->out, O_CLOEXEC | O_NONBLOCK) < 0) {
		measured(u);
		return;
	}
	m.writable = u->writable;
	m.out = u->out[1];
	u->watch = loop_fd(u->relay->engine->loop, u->out[0], LOOP_READ, on_bytes, u);
	u->timer = loop_timer(u->relay->engine->loop, MEASURE_MS, on_slow, u);
	chan_request(c->shim->chan, MSG_shim_measure, &m, 0, on_asked, NULL);
	fd_close(&u->out[1]);
}

/* ---- of one that doesn't run: in a job, so that nobody starts or removes it meanwhile ---- */

static void measure_step(struct job *j, void *ref)
{
	struct usage *u = j->data;

	u->ref = ref;
	measure(u, j->ctr);
}

static const struct step steps[] = {
	{"shim", 0, NULL, job_get_shim, NULL},
	{"measuring", 1, NULL, measure_step, NULL},
	{0},
};

static void on_job_end(struct job *j, const struct err *e)
{
	struct usage *u = j->data;
	struct engine *g = j->engine;
	struct ctr *c = j->ctr;

	if (e)
		log_warn("container %.12s: %s", c->id, e->text);
	fd_close(&u->writable);
	shim_end(c->shim);
	c->measuring = false;
	if (c->removal_asked)
		remove_begin(c); /* somebody has asked for it meanwhile */
	usage_next(u);
	engine_end_if_idle(g);
}

/* ---- one after the other ---- */

static bool can_be_measured(const struct ctr *c)
{
	if (!c->rootfs_made || c->job)
		return false;
	return c->status == CTR_RUNNING || c->status == CTR_EXITED || c->status == CTR_CREATED;
}

static void on_writable(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct rootfs_writable_opened *m = msg;
	struct usage *u = arg;
	struct engine *g = u->relay->engine;
	struct ctr *c = ctr_by_id(g, u->id);

	(void)e;
	if (!m || !c || !can_be_measured(c) || g->ending) {
		usage_next(u);
		return;
	}
	u->writable = frame_take_fd(f, m->writable);
	if (c->status == CTR_RUNNING) {
		measure(u, c);
		return;
	}
	c->measuring = true;
	job_begin(g, c, steps, false, u, on_job_end);
}

static void usage_end(struct usage *u)
{
	relay_reply(u->relay, MSG_container_usage_is, &u->sum);
	free(u->ids);
	free(u);
}

/* The next that there still is. */
static struct ctr *following(struct usage *u)
{
	struct ctr *c = NULL;

	while (!c && u->at < u->n) {
		u->id = u->ids[u->at++];
		c = ctr_by_id(u->relay->engine, u->id);
	}
	return c;
}

static void usage_next(struct usage *u)
{
	struct engine *g = u->relay->engine;
	struct rootfs_writable ask;
	struct ctr *c;

	while ((c = following(u))) {
		u->sum.containers++;
		u->sum.active += c->status == CTR_RUNNING;
		add(u, c, state_bytes(c));
		if (can_be_measured(c))
			break;
	}
	if (!c) {
		usage_end(u);
		return;
	}
	ask = (struct rootfs_writable){.container = c->id};
	helper_request(g, H_IMAGED, MSG_rootfs_writable, &ask, HELPER_MS, on_writable, u);
}

void on_container_usage(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	struct usage *u = calloc(1, sizeof(*u));
	const struct engine *g = self;

	(void)msg;
	(void)f;
	if (!u)
		abort();
	*u = (struct usage){.relay = relay_new(self, ch, id), .writable = -1, .out = {-1, -1}};
	for (const struct ctr *c = g->ctrs; c; c = c->next)
		u->n += ctr_visible(c, session_uid(ch));
	u->ids = calloc(u->n + 1, sizeof(*u->ids));
	if (!u->ids)
		abort();
	u->n = 0;
	for (const struct ctr *c = g->ctrs; c; c = c->next)
		if (ctr_visible(c, session_uid(ch)))
			memcpy(u->ids[u->n++], c->id, sizeof(*u->ids));
	usage_next(u);
}
