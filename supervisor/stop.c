/* SPDX-License-Identifier: MIT */
/*
 * Stopping: the container's own signal, a deadline, SIGKILL. What even that does not end is told.
 */
#include "engine.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

#define STOP_SECONDS 10
#define SHIM_MS	     3000 /* for the shim to have passed SIGKILL on */
#define KILL_MS	     7000 /* and for the workload to have ended by it, from then */
#define COUNT_MS     1000

void stop_over(struct ctr *c)
{
	watch_free(c->stop_timer);
	c->stop_timer = NULL;
	c->stopping = c->kill_sent = false;
}

/* ---- what can't be killed ---- */

struct asked {
	struct engine *engine;
	char id[ID_LEN + 1];
	bool kill;
};

static struct asked *asked_new(const struct ctr *c, bool kill)
{
	struct asked *q = calloc(1, sizeof(*q));

	if (!q) {
		log_error("out of memory");
		abort();
	}
	*q = (struct asked){.engine = c->engine, .kill = kill};
	memcpy(q->id, c->id, sizeof(q->id));
	return q;
}

static void why_alive(
	const struct ctr *c, const struct cgroup_state *m, const struct err *e, struct err *ret)
{
	const int seconds = (SHIM_MS + KILL_MS) / 1000;

	if (e && c->paused)
		err_set(ret, EBUSY,
			"container %s: its processes can't be killed: it is paused, and to let it go on failed: %.80s; try again later",
			c->name, e->text);
	else if (m && m->frozen)
		err_set(ret, EBUSY,
			"container %s: its processes can't be killed: they are frozen, and do not thaw; try again later",
			c->name);
	else if (m && m->pids)
		err_set(ret, EBUSY,
			"container %s: its processes can't be killed: %lu of them wait in the kernel, %d s after SIGKILL; try again later",
			c->name, m->pids, seconds);
	else
		err_set(ret, EBUSY,
			"container %s: its processes can't be killed: they have not ended %d s after SIGKILL; try again later",
			c->name, seconds);
}

/* Who asked for the end is told, and asks again when he likes; it is what it was. */
static void on_counted(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct asked *q = arg;
	struct ctr *c = ctr_by_id(q->engine, q->id);
	struct err why;

	(void)f;
	free(q);
	if (!c || c->status != CTR_RUNNING || !c->kill_sent)
		return;
	why_alive(c, msg, e, &why);
	log_error("%s", why.text);
	removal_failed(c);
	c->restart.by_hand = false;
	stop_over(c);
	wait_fail(c, WAIT_STOP, 0, &why);
	wait_fail(c, WAIT_REMOVED, 0, &why);
}

static void on_alive(void *arg)
{
	struct ctr *c = arg;
	const struct cgroup_read m = {.container = ctr_cgroup(c)};

	helper_request(c->engine, H_CGROUPD, MSG_cgroup_read, &m, COUNT_MS, on_counted,
		asked_new(c, true));
}

/* A shim that passes no signal on is of no use: it goes with all that it has. */
static void on_unheard(void *arg)
{
	struct ctr *c = arg;

	if (!c->kill_heard) {
		log_error("container %.12s: its shim does not answer; killing both", c->id);
		helpers_kill(c->engine, c->slot);
	}
	watch_free(c->stop_timer);
	c->stop_timer = loop_timer(c->engine->loop, KILL_MS, on_alive, c);
}

/* ---- signals ---- */

static void on_passed(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct asked *q = arg;
	struct ctr *c = ctr_by_id(q->engine, q->id);

	(void)msg;
	(void)f;
	if (c && q->kill && (!e || e->code == ESRCH))
		c->kill_heard = true;
	free(q);
}

static void pass_signal(struct ctr *c, uint32_t signo)
{
	const struct shim_signal m = {.signal = signo};

	c->kill_due = c->kill_due || signo == SIGKILL;
	if (c->shim && c->shim->chan)
		chan_request(c->shim->chan, MSG_shim_signal, &m, 0, on_passed,
			asked_new(c, signo == SIGKILL));
	pause_thaw(c);
}

static void send_signal(struct ctr *c, uint32_t signo)
{
	if (c->status == CTR_RUNNING) /* and not a visit */
		event_tell(c, "kill", "signal=%" PRIu32, signo);
	pass_signal(c, signo);
}

static void send_kill(struct ctr *c)
{
	c->kill_heard = false;
	c->kill_sent = true;
	send_signal(c, SIGKILL);
	watch_free(c->stop_timer);
	c->stop_timer = loop_timer(c->engine->loop, SHIM_MS, on_unheard, c);
}

static void on_deadline(void *arg)
{
	send_kill(arg);
}

/* An image names its signal as SIGQUIT, QUIT or 3. */
static uint32_t image_signal(const char *name)
{
	uint32_t n;

	if (num_parse_u32(name, 1, 64, &n) == 0)
		return n;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < NSIG; i++)
		if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), name) == 0)
			return (uint32_t)i;
	if (strncasecmp(name, "RTMIN+", 6) == 0 && num_parse_u32(name + 6, 0, 30, &n) == 0)
		return (uint32_t)SIGRTMIN + n;
	return SIGTERM;
}

uint32_t stop_signal(const struct ctr *c)
{
	const struct image_config *img = c->config.obj;

	if (ctr_create(c)->stop_signal)
		return ctr_create(c)->stop_signal;
	return img && img->stop_signal ? image_signal(img->stop_signal) : SIGTERM;
}

void stop_begin(struct ctr *c, int64_t timeout_s)
{
	if (c->kill_sent && timeout_s != 0) /* too late for less */
		return;
	stop_over(c);
	c->stopping = true;
	if (timeout_s == 0) {
		send_kill(c);
		return;
	}
	send_signal(c, stop_signal(c));
	if (timeout_s > 0)
		c->stop_timer =
			loop_timer(c->engine->loop, (uint64_t)timeout_s * 1000, on_deadline, c);
}

void stop_adopted(struct ctr *c)
{
	if (c->kill_due)
		pass_signal(c, SIGKILL);
}

void stop_once_started(struct ctr *c, int64_t timeout_s)
{
	if (!c->stop_wanted || timeout_s == 0)
		c->stop_seconds = timeout_s;
	c->stop_wanted = true;
	start_hurry(c);
}

int64_t stop_timeout(const struct ctr *c, const struct container_stop *how)
{
	if (how && how->timeout_set)
		return how->timeout;
	return ctr_create(c)->stop_timeout_set ? ctr_create(c)->stop_timeout : STOP_SECONDS;
}
