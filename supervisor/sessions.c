/* SPDX-License-Identifier: MIT */
/*
 * Clients: each connection of ctl is a session, known by the uid that the kernel tells
 * (SO_PEERCRED). Here is what ctl may say about containers; who may connect, and how much at once,
 * is in clients.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "engine.h"

#define SHIM_MS 10000

struct ctr *session_ctr(struct engine *g, struct chan *ch, uint32_t id, const char *ref)
{
	struct ctr *c = NULL;
	struct err e;

	if (ctr_find(g, ref, session_uid(ch), &c, &e) < 0)
		chan_fail(ch, id, &e);
	return c;
}

static void fail(struct chan *ch, uint32_t id, int code, const char *fmt, const char *name)
{
	struct err e;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	err_set(&e, code, fmt, name);
#pragma GCC diagnostic pop
	chan_fail(ch, id, &e);
}

static bool may_start(const struct ctr *c, struct chan *ch, uint32_t id)
{
	if (!ctr_lost_sources(c))
		return true;
	fail(ch, id, ESTALE,
		"container %s has bind mounts or devices from before the engine was restarted; remove and run it anew",
		c->name);
	return false;
}

static void on_start(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	struct container_start *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);

	if (!c)
		return;
	if (c->status == CTR_RUNNING || c->status == CTR_STARTING) {
		fail(ch, id, c->paused || c->status == CTR_STARTING ? EBUSY : EALREADY,
			c->paused ? "container %s is paused; unpause it"
				  : "container %s is already running",
			c->name);
		return;
	}
	if (c->visit && turn_wait(c, ch, id, m, f, on_start))
		return;
	if (c->visit) {
		fail(ch, id, EBUSY,
			"container %s: its files are being copied; try again when that is done",
			c->name);
		return;
	}
	if (c->job) {
		fail(ch, id, EBUSY,
			c->measuring ? "container %s is being measured; try again in a moment"
				     : "container %s is being stopped or removed",
			c->name);
		return;
	}
	if (((struct engine *)self)->ending) {
		fail(ch, id, ESHUTDOWN, "container %s can't be started: the engine is ending",
			c->name);
		return;
	}
	if (!may_start(c, ch, id))
		return;
	m->in = frame_take_fd(f, m->in);
	m->out = frame_take_fd(f, m->out);
	m->err = frame_take_fd(f, m->err);
	restart_reset(c);
	start_begin(c, m, relay_new(self, ch, id));
}

static void on_wait(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_wait *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);

	(void)f;
	if (!c)
		return;
	/* Of a container whose start failed, the end has come already; `removed` waits for rm
	 * alone. */
	wait_add(c, ch, id, m->removed ? WAIT_REMOVED : m->last ? WAIT_LAST : WAIT_EXIT, 0, false);
	if (!m->removed && (c->status == CTR_EXITED || (c->status == CTR_CREATED && c->error[0])))
		wait_notify(c, m->last ? WAIT_LAST : WAIT_EXIT, 0);
}

static void on_done(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct done m = {0};
	struct relay *r = arg;

	(void)msg;
	(void)f;
	if (e)
		relay_fail(r, e);
	else
		relay_reply(r, MSG_done, &m);
}

bool session_check_running(const struct ctr *c, struct chan *ch, uint32_t id)
{
	if (c->status == CTR_RUNNING && c->shim && c->shim->chan)
		return true;
	if (c->status == CTR_RESTARTING)
		fail(ch, id, EINVAL, "container %s is restarting; wait until it runs", c->name);
	else
		fail(ch, id, EINVAL, "container %s is not running; start it first", c->name);
	return false;
}

static struct ctr *running(struct engine *g, struct chan *ch, uint32_t id, const char *ref)
{
	struct ctr *c = session_ctr(g, ch, id, ref);

	return c && session_check_running(c, ch, id) ? c : NULL;
}

static void on_attach(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_attach *m = msg;
	struct ctr *c = running(self, ch, id, m->ref);

	(void)f;
	if (!c)
		return;
	if (c->paused) {
		fail(ch, id, EINVAL, "container %s is paused; unpause it first", c->name);
		return;
	}
	MSG_DECLARE(shim_attach, a);
	a.in = m->in;
	a.out = m->out;
	a.err = m->err;
	chan_request(c->shim->chan, MSG_shim_attach, &a, SHIM_MS, on_done, relay_new(self, ch, id));
}

static void on_kill(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_kill *m = msg;
	const struct shim_signal s = {.signal = m->signal};
	struct ctr *c;

	(void)f;
	if (m->signal == 0) {
		fail(ch, id, EINVAL, "signal 0 can't be %s", "sent");
		return;
	}
	c = session_ctr(self, ch, id, m->ref);
	if (!c)
		return;
	if (c->status == CTR_RESTARTING && restart_is_end(c, m->signal)) {
		restart_stop(c);
		chan_done(ch, id);
		return;
	}
	if (!session_check_running(c, ch, id))
		return;
	if (restart_is_end(c, m->signal))
		restart_stop(c);
	c->kill_due = c->kill_due || m->signal == SIGKILL;
	event_tell(c, "kill", "signal=%" PRIu32, m->signal);
	chan_request(c->shim->chan, MSG_shim_signal, &s, SHIM_MS, on_done, relay_new(self, ch, id));
	if (restart_is_end(c, m->signal))
		pause_thaw(c);
}

static void on_resize(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_resize *m = msg;
	const struct shim_resize s = {.exec = m->exec, .rows = m->rows, .cols = m->cols};
	struct ctr *c = running(self, ch, id, m->ref);

	(void)f;
	if (!c)
		return;
	if (m->exec == 0)
		follow_resize(c, m->rows, m->cols);
	chan_request(c->shim->chan, MSG_shim_resize, &s, SHIM_MS, on_done, relay_new(self, ch, id));
}

static void on_stop(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_stop *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);

	(void)f;
	if (!c || (m->again && !may_start(c, ch, id)))
		return;
	c->restart.by_hand = m->again;
	if (c->status != CTR_CREATED && c->status != CTR_EXITED)
		restart_stop(c);
	if (c->status == CTR_CREATED || c->status == CTR_EXITED) {
		chan_done(ch, id);
		return;
	}
	wait_add(c, ch, id, c->status == CTR_REMOVING ? WAIT_REMOVED : WAIT_STOP, 0, true);
	if (c->status == CTR_RUNNING)
		stop_begin(c, stop_timeout(c, m));
	else if (c->status == CTR_STARTING)
		stop_once_started(c, stop_timeout(c, m));
}

static void on_remove(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_remove *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);

	if (!c)
		return;
	if (!m->force && (c->status == CTR_RUNNING || c->status == CTR_STARTING ||
				 c->status == CTR_RESTARTING)) {
		fail(ch, id, EBUSY,
			c->status == CTR_RESTARTING
				? "container %s is restarting; stop it first, or use rm -f"
				: "container %s is running; stop it first, or use rm -f",
			c->name);
		return;
	}
	if (!m->force && c->visit && turn_wait(c, ch, id, m, f, on_remove))
		return;
	if (!m->force && c->visit) {
		fail(ch, id, EBUSY,
			"container %s: its files are being copied; wait for that, or use rm -f",
			c->name);
		return;
	}
	c->removal_asked = c->remove_after = true;
	if (!restart_stop(c))
		state_save_or_log(c);
	wait_add(c, ch, id, WAIT_REMOVED, 0, true);
	if (c->visit) {
		visit_cut_short(c);
		return;
	}
	if (c->status == CTR_STARTING)
		stop_once_started(c, 0);
	if (c->status == CTR_RUNNING)
		stop_begin(c, 0);
	else if ((c->status == CTR_CREATED || c->status == CTR_EXITED) && !c->measuring)
		remove_begin(c);
}

static void on_rename(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_rename *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	char old[sizeof(c->name)];
	struct err e = {0};

	(void)f;
	if (!c)
		return;
	memcpy(old, c->name, sizeof(old));
	if (strcmp(old, m->name) == 0)
		err_set(&e, EALREADY, "container %s has that name already", old);
	else if (c->status == CTR_REMOVING)
		err_set(&e, ENOENT, "container %s is being removed", old);
	else if (ctr_name_check(c->engine, m->name, c->owner, &e) == 0) {
		snprintf(c->name, sizeof(c->name), "%s", m->name);
		if (state_save(c, &e) < 0) {
			memcpy(c->name, old, sizeof(old));
			c->unsaved = true; /* it may be on record nevertheless */
		}
	}
	if (e.code) {
		chan_fail(ch, id, &e);
		return;
	}
	event_tell(c, "rename", "oldName=%s", old);
	chan_done(ch, id);
}

const struct handler session_handlers[] = {
	{MSG_version, on_version},
	{MSG_info, on_info},
	{MSG_facts, on_facts},
	{MSG_container_create, on_container_create},
	{MSG_container_start, on_start},
	{MSG_container_wait, on_wait},
	{MSG_container_attach, on_attach},
	{MSG_container_kill, on_kill},
	{MSG_container_stop, on_stop},
	{MSG_container_remove, on_remove},
	{MSG_container_list, on_container_list},
	{MSG_container_inspect, on_container_inspect},
	{MSG_container_usage, on_container_usage},
	{MSG_container_exec, on_container_exec},
	{MSG_exec_wait, on_exec_wait},
	{MSG_container_resize, on_resize},
	{MSG_container_pause, on_container_pause},
	{MSG_container_update, on_container_update},
	{MSG_container_rename, on_rename},
	{MSG_container_stats, on_container_stats},
	{MSG_events, on_events},
	{MSG_container_logs, on_container_logs},
	{MSG_image_pull, on_image_pull},
	{MSG_image_list, on_image_list},
	{MSG_image_inspect, on_image_inspect},
	{MSG_image_remove, on_image_remove},
	{MSG_image_usage, on_image_usage},
	{0},
};
