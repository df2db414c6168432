/* SPDX-License-Identifier: MIT */
/*
 * Stopping: the container's own signal, a deadline, SIGKILL.
 */
#include "engine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

#define STOP_SECONDS 10

static void ignore_reply(void *arg, void *msg, struct frame *f, const struct err *e)
{
	(void)arg;
	(void)msg;
	(void)f;
	(void)e; /* the end of the container is what counts */
}

static void send_signal(struct ctr *c, uint32_t signo)
{
	const struct shim_signal m = {.signal = signo};

	if (c->shim && c->shim->chan)
		chan_request(c->shim->chan, MSG_shim_signal, &m, 0, ignore_reply, c);
	pause_thaw(c);
}

static void on_deadline(void *arg)
{
	send_signal(arg, SIGKILL);
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
	watch_free(c->stop_timer);
	c->stop_timer = NULL;
	if (timeout_s == 0) {
		send_signal(c, SIGKILL);
		return;
	}
	send_signal(c, stop_signal(c));
	if (timeout_s > 0)
		c->stop_timer =
			loop_timer(c->engine->loop, (uint64_t)timeout_s * 1000, on_deadline, c);
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
