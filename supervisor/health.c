/* SPDX-License-Identifier: MIT */
/*
 * Running health checks; see health.h. One at a time a container: the next one is planned when one
 * has ended. The shim ends those that take too long.
 */
#include "health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine.h"

#define GRACE_MS 5000 /* for the end of one that is being killed */

static const struct health *rules(const struct ctr *c)
{
	return c->health.obj;
}

static bool is_checked(const struct ctr *c)
{
	const char *v[256];
	struct strv command;

	return rules(c) && health_command(rules(c), v, &command);
}

static uint64_t up_ns(const struct ctr *c, uint64_t at)
{
	return at > c->started_at ? at - c->started_at : 0;
}

static void on_time(void *arg);

static void plan(struct ctr *c, uint64_t ms)
{
	struct check *k = c->check;

	watch_free(k->timer);
	k->timer = loop_timer(c->engine->loop, ms, on_time, c);
}

static void plan_next(struct ctr *c)
{
	bool starting = strcmp(c->check->state.status, "starting") == 0;

	plan(c, health_pause_ms(rules(c), starting, up_ns(c, time_now_ns())));
}

static void stop(struct ctr *c)
{
	watch_free(c->check->timer);
	c->check->timer = NULL;
	c->check->exec = 0;
}

/* ---- results ---- */

static void remember(struct check *k, int64_t code, char *output)
{
	struct health_state *s = &k->state;

	if (s->log.n == HEALTH_LOG_MAX) {
		free((char *)(uintptr_t)k->log[0].output);
		memmove(k->log, k->log + 1, sizeof(k->log) - sizeof(*k->log));
		s->log.n--;
	}
	k->log[s->log.n++] = (struct health_result){
		.start = k->began_ns, .end = time_now_ns(), .exit_code = code, .output = output};
	s->log.v = k->log;
}

static bool start_again(struct ctr *c)
{
	if (ctr_lost_sources(c)) {
		log_warn(
			"container %.12s is left running: its bind mounts or devices are from before the engine was restarted",
			c->id);
		return false;
	}
	c->restart.again = true;
	state_save_or_log(c);
	return true;
}

static void act(struct ctr *c)
{
	const char *action = ctr_create(c)->health_action;

	/* One that shuts down is often ill. It has the time that was given to it. */
	if (c->stopping)
		return;
	c->check->acted = true;
	if (!action || strcmp(action, "none") == 0) {
		log_warn("container %.12s is unhealthy", c->id);
		return;
	}
	log_warn("container %.12s is unhealthy: %s", c->id, action);
	if (strcmp(action, "kill") == 0) {
		stop_begin(c, 0);
	} else if (strcmp(action, "stop") == 0) {
		restart_stop(c);
		stop_begin(c, stop_timeout(c, NULL));
	} else if (start_again(c)) {
		stop_begin(c, stop_timeout(c, NULL));
	}
}

/* Takes output. A check that goes on as before is not worth a write. What a predecessor of this
 * process began to do about an unhealthy container may have died with it. */
static void conclude(struct ctr *c, int64_t code, char *output)
{
	struct check *k = c->check;
	const char *before = k->state.status;
	bool was_healthy = strcmp(before, "healthy") == 0;

	remember(k, code, output);
	if (health_judge(&k->state, rules(c), code == 0, up_ns(c, k->began_ns)))
		k->acted = false;
	if (strcmp(k->state.status, before) != 0)
		event_tell(c, "health_status", "health_status=%s", k->state.status);
	if (!was_healthy || code != 0)
		state_save_or_log(c);
	if (code != 0 && !k->acted && strcmp(k->state.status, "unhealthy") == 0)
		act(c);
}

/* Bytes of a container as text. */
static char *to_text(const char *before, const struct bytes *b, bool cut)
{
	size_t room = strlen(before) + b->n + sizeof("...");
	char *s = malloc(room), *p = s;

	if (!s)
		return NULL;
	p = stpcpy(p, before);
	for (uint32_t i = 0; i < b->n; i++)
		*p++ = b->p[i] ? (char)b->p[i] : '?';
	strcpy(p, cut ? "..." : "");
	return s;
}

bool health_exited(struct ctr *c, const struct shim_exec_exited *how)
{
	char why[96] = "";
	struct check *k = c->check;

	if (!k || k->exec == 0 || k->exec != how->exec)
		return false;
	k->exec = 0;
	if (c->status != CTR_RUNNING)
		return true;
	if (how->timed_out)
		snprintf(why, sizeof(why), "Health check exceeded timeout (%lu ms)%s",
			rules(c)->timeout / 1000000, how->output.n ? ": " : "");
	if (!k->counted && !k->spoiled && !c->paused)
		conclude(c, how->timed_out ? -1 : (int64_t)how->exit_code,
			to_text(why, &how->output, how->cut));
	plan_next(c);
	return true;
}

/* ---- checks ---- */

struct asked {
	struct engine *engine;
	char id[ID_LEN + 1];
	uint32_t exec;
};

static void on_begun(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct asked *q = arg;
	struct ctr *c = ctr_by_id(q->engine, q->id);

	(void)msg;
	(void)f;
	if (e && c && c->check && c->check->exec == q->exec) {
		c->check->exec = 0;
		if (!c->check->counted && !c->check->spoiled && e->code != ECONNRESET)
			conclude(c, -1, strdup(e->text));
		if (c->status == CTR_RUNNING)
			plan_next(c);
	}
	free(q);
}

static void begin(struct ctr *c)
{
	const char *v[256];
	struct exec_spec spec = {0};
	struct check *k = c->check;
	struct asked *q;
	struct err e = {0};
	_cleanup_fd_ int memfd = -1;

	MSG_DECLARE(shim_exec, x);
	k->began_ns = time_now_ns();
	k->counted = k->spoiled = false;
	health_command(rules(c), v, &spec.argv);
	memfd = exec_make_spec(c, &spec, &e);
	if (memfd < 0) {
		conclude(c, -1, strdup(e.text));
		plan_next(c);
		return;
	}
	q = calloc(1, sizeof(*q));
	if (!q)
		abort();
	*q = (struct asked){.engine = c->engine, .exec = c->next_exec++};
	memcpy(q->id, c->id, sizeof(q->id));
	k->exec = x.exec = q->exec;
	x.spec = memfd;
	x.keep = HEALTH_OUTPUT_MAX;
	x.timeout_ms =
		(uint32_t)MIN(MAX(rules(c)->timeout / 1000000, (uint64_t)1), (uint64_t)INT32_MAX);
	plan(c, x.timeout_ms + (uint64_t)GRACE_MS);
	chan_request(c->shim->chan, MSG_shim_exec, &x, 0, on_begun, q);
}

/* Time for a check; or the last one has not ended though it was killed: nothing answers then, and
 * that is a failure, too. */
static void on_time(void *arg)
{
	struct ctr *c = arg;
	struct check *k = c->check;

	if (c->status != CTR_RUNNING)
		return;
	if (k->exec == 0 && !c->paused && c->shim && c->shim->chan) {
		begin(c);
		return;
	}
	if (k->exec != 0 && !c->paused && !k->spoiled) {
		k->counted = true;
		conclude(c, -1, strdup("Health check exceeded timeout, and can't be killed"));
	}
	if (c->status == CTR_RUNNING)
		plan_next(c);
}

/* ---- life ---- */

static struct check *check_new(struct ctr *c)
{
	if (!c->check)
		c->check = calloc(1, sizeof(*c->check));
	if (!c->check) {
		log_error("out of memory");
		abort();
	}
	if (!c->check->state.status)
		c->check->state.status = "starting";
	return c->check;
}

void health_begin(struct ctr *c, bool afresh)
{
	struct check *k;

	if (!is_checked(c))
		return;
	k = check_new(c);
	stop(c);
	if (afresh) {
		k->state.status = "starting";
		k->state.streak = 0;
	}
	plan_next(c);
}

void health_end(struct ctr *c)
{
	if (c->check)
		stop(c);
}

void health_paused(struct ctr *c)
{
	if (!c->check)
		return;
	c->check->spoiled = c->check->exec != 0;
	if (c->check->exec == 0)
		plan_next(c);
}

void health_lost(struct ctr *c)
{
	if (!c->check || c->check->exec == 0)
		return;
	c->check->exec = 0;
	if (c->status == CTR_RUNNING)
		plan_next(c);
}

void health_free(struct ctr *c)
{
	if (!c->check)
		return;
	stop(c);
	for (uint32_t i = 0; i < c->check->state.log.n; i++)
		free((char *)(uintptr_t)c->check->log[i].output);
	free(c->check);
	c->check = NULL;
}

void health_restore(struct ctr *c, const struct health_state *s)
{
	static const char *const known[] = {"starting", "healthy", "unhealthy"};
	struct check *k;

	if (!s)
		return;
	k = check_new(c);
	for (unsigned int i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i], s->status) == 0)
			k->state.status = known[i];
	k->state.streak = s->streak;
	for (uint32_t i = 0; i < s->log.n && i < HEALTH_LOG_MAX; i++) {
		k->log[i] = s->log.v[i];
		k->log[i].output = s->log.v[i].output ? strdup(s->log.v[i].output) : NULL;
		k->state.log.n++;
	}
	k->state.log.v = k->log;
}
