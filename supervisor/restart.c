/* SPDX-License-Identifier: MIT */
/*
 * Restart policies; see restart.h. A pause is told by its length and by when the container ended,
 * so a successor of this process waits for what is left of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

static const char *const names[] = {
	[RESTART_NO] = "no",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
};

uint64_t restart_next_pause(uint64_t last_ms, uint64_t up_ns)
{
	if (last_ms == 0 || up_ns >= RESTART_CALM_NS)
		return RESTART_PAUSE_MIN_MS;
	return MIN(last_ms * 2, (uint64_t)RESTART_PAUSE_MAX_MS);
}

enum restart_policy restart_policy(const struct create *o)
{
	for (unsigned int i = 0; o->restart && i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], o->restart) == 0)
			return (enum restart_policy)i;
	return RESTART_NO;
}

int restart_check(const struct create *o, struct err *e)
{
	enum restart_policy p = restart_policy(o);

	if (o->restart && strcmp(o->restart, names[p]) != 0)
		return err_set(e, EINVAL, "restart policy \"%s\" is not known", o->restart);
	if (p != RESTART_NO && o->autoremove)
		return err_set(e, EINVAL, "--restart and --rm exclude each other");
	if (p != RESTART_ON_FAILURE && o->restart_max > 0)
		return err_set(e, EINVAL, "only the restart policy on-failure counts");
	return 0;
}

bool restart_wanted(const struct create *o, uint32_t count, uint32_t exit_code)
{
	switch (restart_policy(o)) {
	case RESTART_ALWAYS:
	case RESTART_UNLESS_STOPPED:
		return true;
	case RESTART_ON_FAILURE:
		return exit_code != 0 && (o->restart_max == 0 || count < o->restart_max);
	case RESTART_NO:
		break;
	}
	return false;
}

static void disarm(struct ctr *c)
{
	watch_free(c->restart.timer);
	c->restart.timer = NULL;
}

/* An engine that ends leaves the plan in the record, for the next one. */
static void on_due(void *arg)
{
	struct container_start how = {0};
	struct ctr *c = arg;

	disarm(c);
	if (c->engine->ending || c->visit) /* which resumes it at its end */
		return;
	follow_again(c, &how);
	c->restart.automatic = true;
	start_begin(c, &how, NULL);
}

static void arm(struct ctr *c, uint64_t ms)
{
	disarm(c);
	c->status = CTR_RESTARTING;
	c->restart.timer = loop_timer(c->engine->loop, ms, on_due, c);
}

void restart_resume(struct ctr *c)
{
	if (c->status == CTR_RESTARTING && !c->restart.timer)
		arm(c, 0);
}

static bool is_possible(struct ctr *c)
{
	if (!ctr_lost_sources(c))
		return true;
	snprintf(c->error, sizeof(c->error),
		"it is not started again: its bind mounts or devices are from before the engine was restarted; remove and run it anew");
	log_warn("container %.12s: %s", c->id, c->error);
	return false;
}

bool restart_plan(struct ctr *c, uint64_t up_ns)
{
	struct restart *r = &c->restart;
	bool again = r->again;

	r->again = false;
	if (c->remove_after || r->stopped || c->engine->ending)
		return false;
	if (!again && !restart_wanted(ctr_create(c), r->count, c->exit_code))
		return false;
	if (!is_possible(c))
		return false;
	if (again) {
		arm(c, 0);
		return true;
	}
	r->count++;
	r->pause_ms = restart_next_pause(r->pause_ms, up_ns);
	arm(c, r->pause_ms);
	return true;
}

void restart_reset(struct ctr *c)
{
	disarm(c);
	c->restart.count = 0;
	c->restart.pause_ms = 0;
	c->restart.stopped = c->restart.again = c->restart.automatic = false;
}

bool restart_stop(struct ctr *c)
{
	bool known = c->restart.stopped && c->status != CTR_RESTARTING;

	c->restart.stopped = true;
	c->restart.again = false;
	if (c->status == CTR_RESTARTING) {
		disarm(c);
		c->status = CTR_EXITED;
		state_save_or_log(c);
		follow_end(c);
		wait_ended(c);
	} else if (!known) {
		state_save_or_log(c);
	}
	return !known;
}

/* docker takes every signal for an end. One that a workload takes as a word (SIGHUP to read its
 * configuration again) would cost it its policy then. */
bool restart_is_end(const struct ctr *c, uint32_t signal)
{
	return signal == SIGKILL || signal == SIGTERM || signal == SIGINT ||
	       signal == stop_signal(c);
}

static uint64_t pause_left(const struct ctr *c)
{
	uint64_t now = time_now_ns(), due = c->finished_at + c->restart.pause_ms * 1000000;

	return now >= due ? 0 : MIN((due - now) / 1000000, c->restart.pause_ms);
}

/* Whether it should run once the engine does: on-failure is no reason. */
static bool belongs(const struct ctr *c)
{
	enum restart_policy p = restart_policy(ctr_create(c));

	return c->started_at > 0 &&
	       (p == RESTART_ALWAYS || (p == RESTART_UNLESS_STOPPED && !c->restart.stopped));
}

void restart_lost(struct ctr *c)
{
	if (!c->engine->anew || !belongs(c))
		return;
	restart_reset(c);
	c->restart.again = true;
}

void restart_settle(struct ctr *c)
{
	if (c->status == CTR_RESTARTING && !c->restart.stopped && is_possible(c)) {
		arm(c, pause_left(c));
	} else if (c->status == CTR_RESTARTING) {
		c->status = CTR_EXITED;
		state_save_or_log(c);
	} else if (c->engine->anew && c->status == CTR_EXITED && belongs(c)) {
		restart_reset(c);
		if (is_possible(c))
			arm(c, 0);
		state_save_or_log(c);
	}
}
