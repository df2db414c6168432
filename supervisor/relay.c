/* SPDX-License-Identifier: MIT */
/*
 * Requests of clients that wait for somebody else's answer; see engine.h.
 */
#include "engine.h"

struct relay *relay_new(struct engine *g, struct chan *client, uint32_t id)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r) {
		log_error("out of memory");
		abort();
	}
	*r = (struct relay){.next = g->relays, .engine = g, .client = client, .id = id};
	g->relays = r;
	session_owes(client);
	return r;
}

static void relay_free(struct relay *r)
{
	struct relay **p = &r->engine->relays;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	free(r);
}

struct chan *relay_take_client(struct relay *r)
{
	struct chan *client = r->client;

	if (client)
		session_paid(client);
	r->client = NULL;
	return client;
}

void relay_reply(struct relay *r, enum msg_type type, const void *msg)
{
	struct chan *client = relay_take_client(r);

	if (client)
		chan_reply(client, r->id, type, msg);
	relay_free(r);
}

void relay_fail(struct relay *r, const struct err *e)
{
	struct chan *client = relay_take_client(r);

	if (client)
		chan_fail(client, r->id, e);
	relay_free(r);
}

void relay_forget_client(struct engine *g, struct chan *client)
{
	for (struct relay *r = g->relays, *next; r; r = next) {
		next = r->next;
		if (r->client != client)
			continue;
		r->client = NULL;
		if (r->abandoned)
			r->abandoned(r);
	}
}
