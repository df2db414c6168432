/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait until a container's files are free: one after the other, as they came, each is
 * handled anew once whoever had them is done. When its time is over it is handled for the last
 * time.
 */
#include <string.h>

#include "engine.h"

#define TURN_MS	  10000
#define TURNS_MAX 32 /* of a container */

struct turn {
	struct turn *next;
	struct engine *engine;
	char ctr[ID_LEN + 1];
	struct chan *client;
	uint32_t id;
	struct watch *timer;
	bool last, again;
	struct frame frame;
	void *msg; /* points into it */
	request_fn fn;
};

static void turn_free(struct turn *t)
{
	watch_free(t->timer);
	frame_free(&t->frame);
	free(t->msg);
	free(t);
}

static void append(struct turn *t)
{
	struct turn **p = &t->engine->turns;

	while (*p)
		p = &(*p)->next;
	*p = t;
	t->next = NULL;
	session_owes(t->client);
}

static void take(struct turn *t)
{
	struct turn **p = &t->engine->turns;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
}

/* It is answered, or waits on. */
static void handle(struct turn *t)
{
	struct engine *g = t->engine;

	take(t);
	session_paid(t->client);
	t->again = false;
	g->turn = t;
	t->fn(g, t->client, t->id, t->msg, &t->frame);
	g->turn = NULL;
	if (!t->again)
		turn_free(t);
}

static void on_time(void *arg)
{
	struct turn *t = arg;

	t->last = true;
	handle(t);
}

/* What the decoded message points to goes along. */
static struct turn *turn_new(struct ctr *c, struct chan *client, uint32_t id, const void *msg,
	struct frame *f, request_fn fn)
{
	size_t size = msg_row(f->type)->schema->size;
	struct turn *t = calloc(1, sizeof(*t));

	if (!t || !(t->msg = malloc(size))) {
		log_error("out of memory");
		abort();
	}
	t->engine = c->engine;
	t->client = client;
	t->id = id;
	t->fn = fn;
	memcpy(t->ctr, c->id, sizeof(t->ctr));
	memcpy(t->msg, msg, size);
	t->frame = *f;
	*f = (struct frame){.type = t->frame.type};
	t->timer = loop_timer(c->engine->loop, TURN_MS, on_time, t);
	return t;
}

static bool is_full(const struct ctr *c)
{
	unsigned int n = 0;

	for (const struct turn *t = c->engine->turns; t; t = t->next)
		n += strcmp(t->ctr, c->id) == 0;
	return n >= TURNS_MAX;
}

bool turn_wait(struct ctr *c, struct chan *client, uint32_t id, const void *msg, struct frame *f,
	request_fn fn)
{
	struct turn *t = c->engine->turn;

	if (c->engine->ending || (t ? t->last : is_full(c)))
		return false;
	if (t)
		t->again = true;
	else
		t = turn_new(c, client, id, msg, f, fn);
	append(t);
	return true;
}

static void on_moment(void *arg)
{
	struct engine *g = arg;
	unsigned int n = 0;

	watch_free(g->turn_timer);
	g->turn_timer = NULL;
	for (const struct turn *t = g->turns; t; t = t->next)
		n++;
	while (n-- > 0 && g->turns)
		handle(g->turns);
}

void turns_go_on(struct engine *g)
{
	if (g->turns && !g->turn_timer)
		g->turn_timer = loop_timer(g->loop, 0, on_moment, g);
}

void turns_forget_client(struct engine *g, const struct chan *client)
{
	for (struct turn *t = g->turns, *next; t; t = next) {
		next = t->next;
		if (t->client != client)
			continue;
		take(t);
		turn_free(t);
	}
}
