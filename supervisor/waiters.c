/* SPDX-License-Identifier: MIT */
/*
 * Clients that wait for a container or an exec to end.
 */
#include "engine.h"

#include <errno.h>

void wait_add(struct ctr *c, struct chan *client, uint32_t id, int what, uint32_t exec, bool plain)
{
	struct waiter *w = calloc(1, sizeof(*w));
	struct err e;

	if (!w) {
		err_set(&e, ENOMEM, "out of memory");
		chan_fail(client, id, &e);
		return;
	}
	session_owes(client);
	w->next = c->waiters;
	w->client = client;
	w->id = id;
	w->what = (__typeof__(w->what))what;
	w->exec = exec;
	w->plain = plain;
	c->waiters = w;
}

static void answer(const struct ctr *c, const struct waiter *w)
{
	struct container_waited m = {.exit_code = c->exit_code,
		.oom_killed = c->oom_killed,
		.error = c->error[0] ? c->error : NULL};

	if (w->what == WAIT_STOP || (w->what == WAIT_REMOVED && w->plain)) {
		chan_done(w->client, w->id);
		return;
	}
	for (const struct exec *x = c->execs; x && w->exec; x = x->next)
		if (x->number == w->exec)
			m = (struct container_waited){.exit_code = x->exit_code};
	chan_reply(w->client, w->id, MSG_container_waited, &m);
}

/* Unlinks and returns one waiter of that kind; NULL when there is none left. */
static struct waiter *take_one(struct ctr *c, int what, uint32_t exec)
{
	for (struct waiter **p = &c->waiters; *p; p = &(*p)->next) {
		struct waiter *w = *p;

		if ((int)w->what != what || w->exec != exec)
			continue;
		*p = w->next;
		session_paid(w->client);
		return w;
	}
	return NULL;
}

void wait_notify(struct ctr *c, int what, uint32_t exec)
{
	struct waiter *w;

	while ((w = take_one(c, what, exec))) {
		answer(c, w);
		free(w);
	}
}

void wait_ended(struct ctr *c)
{
	wait_notify(c, WAIT_EXIT, 0);
	wait_notify(c, WAIT_LAST, 0);
	wait_notify(c, WAIT_STOP, 0);
}

void wait_fail(struct ctr *c, int what, uint32_t exec, const struct err *e)
{
	struct waiter *w;

	while ((w = take_one(c, what, exec))) {
		chan_fail(w->client, w->id, e);
		free(w);
	}
}

void wait_forget_client(struct engine *g, struct chan *client)
{
	for (struct ctr *c = g->ctrs; c; c = c->next)
		for (struct waiter **p = &c->waiters; *p;) {
			struct waiter *w = *p;

			if (w->client != client) {
				p = &w->next;
				continue;
			}
			*p = w->next;
			free(w);
		}
}
