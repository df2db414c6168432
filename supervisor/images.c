/* SPDX-License-Identifier: MIT */
/*
 * ctl's words about images go to imaged, and its answers back. The supervisor adds what only it
 * knows: which images containers need.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#define PULL_MS	 0 /* imaged bounds its own waits; a large image takes as long as it takes */
#define QUERY_MS 30000
#define PROGRESS 32 /* words of progress that may wait for a slow client; more are left out */

static void on_answer(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct relay *r = arg;

	if (e)
		relay_fail(r, e);
	else
		relay_reply(r, f->type, msg);
}

static void on_pulled(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct engine *g = ((struct relay *)arg)->engine;
	const struct image_pulled *m = msg;

	if (!e)
		event_tell_image(g, "pull", m->ref, m->ref);
	on_answer(arg, msg, f, e);
	if (!e)
		gc_collect(g);
}

/* An image that had only to be there, and was, has not been pulled. */
static void on_there(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct image_pulled *m = msg;

	if (!e && m->fetched)
		on_pulled(arg, msg, f, e);
	else
		on_answer(arg, msg, f, e);
}

static void on_removed(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct engine *g = ((struct relay *)arg)->engine;
	const struct image_removed *m = msg;

	for (uint32_t i = 0; !e && i < m->untagged.n; i++)
		event_tell_image(g, "untag", m->untagged.v[i], m->untagged.v[i]);
	/* The image; behind it are its layers. */
	if (!e && m->deleted.n > 0)
		event_tell_image(g, "delete", m->deleted.v[0], m->deleted.v[0]);
	on_answer(arg, msg, f, e);
}

static struct relay *pass_on(struct engine *g, struct chan *ch, uint32_t id, enum msg_type type,
	const void *msg, unsigned int ms, reply_fn answered)
{
	struct relay *r = relay_new(g, ch, id);

	r->asked = helper_request(g, H_IMAGED, type, msg, ms, answered, r);
	return r;
}

void on_image_progress(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct helper *h = self;

	(void)ch;
	(void)f;
	for (struct relay *r = h->engine->relays; r; r = r->next)
		if (r->client && r->asked == id && id != 0 && chan_unread(r->client) < PROGRESS)
			chan_event(r->client, MSG_image_progress, r->id, msg);
}

/* As docker does it: whom nobody waits for needn't come. Others may still wait for the same image.
 */
static void on_pull_abandoned(struct relay *r)
{
	struct chan *imaged = helper_chan(r->engine, H_IMAGED);

	if (imaged && r->asked != 0)
		chan_event(imaged, MSG_image_cancel, r->asked, &(struct image_cancel){0});
}

void on_image_pull(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct image_pull *m = msg;
	bool must_come = !m->policy || strcmp(m->policy, "always") == 0;
	struct relay *r;

	(void)f;
	r = pass_on(self, ch, id, MSG_image_pull, msg, PULL_MS, must_come ? on_pulled : on_there);
	r->abandoned = on_pull_abandoned;
}

void on_image_list(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	(void)f;
	pass_on(self, ch, id, MSG_image_list, msg, QUERY_MS, on_answer);
}

void on_image_inspect(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	(void)f;
	pass_on(self, ch, id, MSG_image_inspect, msg, QUERY_MS, on_answer);
}

int images_in_use(const struct engine *g, struct arena *a, struct strv *ret)
{
	uint32_t n = 0;

	for (const struct ctr *c = g->ctrs; c; c = c->next)
		n += c->image_id[0] != '\0';
	*ret = (struct strv){.v = arena_alloc(a, (n + 1) * sizeof(*ret->v))};
	for (const struct ctr *c = g->ctrs; c && ret->v; c = c->next) {
		uint32_t k = 0;

		while (k < ret->n && strcmp(ret->v[k], c->image_id) != 0)
			k++;
		if (c->image_id[0] && k == ret->n)
			ret->v[ret->n++] = c->image_id;
	}
	return ret->v ? 0 : -ENOMEM;
}

void on_image_remove(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	_cleanup_arena_ struct arena a = {0};
	struct image_remove m = *(const struct image_remove *)msg;
	struct engine *g = self;
	struct err e;

	(void)f;
	if (!policy_allows(g->policy, session_uid(ch), RIGHT_REMOVE_IMAGES)) {
		err_set(&e, EPERM, "images are shared: removing them is for root");
		chan_fail(ch, id, &e);
		return;
	}
	if (images_in_use(g, &a, &m.in_use) < 0) {
		err_set(&e, ENOMEM, "out of memory");
		chan_fail(ch, id, &e);
		return;
	}
	pass_on(g, ch, id, MSG_image_remove, &m, QUERY_MS, on_removed);
}

void on_image_usage(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	_cleanup_arena_ struct arena a = {0};
	struct image_usage m = {0};
	struct err e;

	(void)msg;
	(void)f;
	if (images_in_use(self, &a, &m.in_use) < 0) {
		err_set(&e, ENOMEM, "out of memory");
		chan_fail(ch, id, &e);
		return;
	}
	pass_on(self, ch, id, MSG_image_usage, &m, QUERY_MS, on_answer);
}
