/* SPDX-License-Identifier: MIT */
/*
 * What has happened to containers and images, for ctl events: the last of it is kept, in memory,
 * and handed out by the page. Who wants what comes next asks again and waits for the answer:
 * nothing piles up for one who does not read.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define EVERYONE       ((uid_t)-1)
#define ATTRIBUTES_MAX 4
#define KEPT_MAX       1024
#define KEPT_BYTES     (1U << 20)
#define PAGE_BYTES     40000
#define PAGE_MAX       64    /* as messages.def has it */
#define WAIT_MS	       20000 /* then the answer is an empty page, and it is asked again */

struct kept {
	struct kept *next;
	uid_t owner; /* who else than root may know; EVERYONE: images are shared */
	size_t bytes;
	struct doc doc; /* struct event */
};

struct waiting {
	struct waiting *next;
	struct relay *relay;
	struct event_log *log;
	struct events ask;
	uid_t uid;
	struct watch *timer;
};

struct event_log {
	struct kept *first, **last;
	unsigned int n;
	size_t bytes;
	uint64_t seq;
	struct waiting *waiting;
};

static struct event_log *log_of(struct engine *g)
{
	if (!g->event_log) {
		g->event_log = calloc(1, sizeof(*g->event_log));
		if (!g->event_log)
			abort();
		g->event_log->last = &g->event_log->first;
	}
	return g->event_log;
}

static void drop_first(struct event_log *l)
{
	struct kept *k = l->first;

	l->first = k->next;
	if (!l->first)
		l->last = &l->first;
	l->n--;
	l->bytes -= k->bytes;
	doc_free(&k->doc);
	free(k);
}

static size_t size_of(const struct event *ev)
{
	size_t n = sizeof(struct kept) + 512 + strlen(ev->id) + strlen(ev->name);

	n += ev->image ? strlen(ev->image) : 0;
	for (uint32_t i = 0; i < ev->labels.n; i++)
		n += strlen(ev->labels.v[i]) + 8;
	return n;
}

static bool wanted(const struct kept *k, const struct events *ask, uid_t uid)
{
	const struct event *ev = k->doc.obj;

	return ev->seq > ask->after && ev->time >= ask->since &&
	       (!ask->until || ev->time <= ask->until) &&
	       (uid == 0 || uid == k->owner || k->owner == EVERYONE);
}

/* Whether there is anything that this one may see. */
static bool answer(struct event_log *l, struct chan *client, uint32_t id, const struct events *ask,
	uid_t uid, bool even_if_empty)
{
	struct event page[PAGE_MAX];
	struct events_are m = {.events = {page, 0}, .seq = l->seq};
	size_t bytes = 0;

	for (const struct kept *k = l->first; k; k = k->next) {
		if (!wanted(k, ask, uid))
			continue;
		m.more = m.events.n == PAGE_MAX || (m.events.n && bytes + k->bytes > PAGE_BYTES);
		if (m.more)
			break;
		page[m.events.n] = *(const struct event *)k->doc.obj;
		m.seq = page[m.events.n++].seq;
		bytes += k->bytes;
	}
	if (!m.more)
		m.seq = l->seq;
	if (m.events.n == 0 && !even_if_empty)
		return false;
	chan_reply(client, id, MSG_events_are, &m);
	return true;
}

static const struct err over = {ECANCELED, "nobody waits for it any more"};

/* Takes it out of the list, and ends its relay. */
static void waiting_drop(struct waiting **p)
{
	struct waiting *w = *p;

	*p = w->next;
	relay_fail(w->relay, &over);
	watch_free(w->timer);
	free(w);
}

static struct waiting **find(struct event_log *l, const struct relay *r)
{
	struct waiting **p = &l->waiting;

	while (*p && (*p)->relay != r)
		p = &(*p)->next;
	return p;
}

static void on_abandoned(struct relay *r)
{
	struct waiting **p = find(r->engine->event_log, r);

	if (*p)
		waiting_drop(p);
}

static void on_nothing(void *arg)
{
	struct waiting *w = arg;

	answer(w->log, w->relay->client, w->relay->id, &w->ask, w->uid, true);
	relay_take_client(w->relay);
	waiting_drop(find(w->log, w->relay));
}

/* Answers those for whom there is something now. */
static void wake(struct event_log *l)
{
	struct waiting **p = &l->waiting;

	while (*p) {
		const struct waiting *w = *p;

		if (answer(l, w->relay->client, w->relay->id, &w->ask, w->uid, false)) {
			relay_take_client(w->relay);
			waiting_drop(p);
		} else {
			p = &(*p)->next;
		}
	}
}

static void keep(struct event_log *l, struct event *ev, uid_t owner)
{
	struct kept *k = calloc(1, sizeof(*k));

	ev->seq = ++l->seq;
	ev->time = time_now_ns();
	if (!k || doc_copy(&k->doc, &schema_event, ev, NULL) < 0) {
		free(k);
		log_warn("%.64s: out of memory to remember that: %s", ev->id, ev->action);
		return;
	}
	k->owner = owner;
	k->bytes = size_of(ev);
	*l->last = k;
	l->last = &k->next;
	l->n++;
	l->bytes += k->bytes;
	while (l->n > KEPT_MAX || (l->n > 1 && l->bytes > KEPT_BYTES))
		drop_first(l);
	wake(l);
}

void event_tell(const struct ctr *c, const char *action, const char *fmt, ...)
{
	const struct create *o = ctr_create(c);
	char text[256], *save = NULL;
	const char *attributes[ATTRIBUTES_MAX];
	uint32_t n = 0;
	struct event ev = {.action = action,
		.id = c->id,
		.name = c->name,
		.image = o->image ? o->image : o->rootfs,
		.labels = o->labels};
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		for (char *p = strtok_r(text, "\n", &save); p && n < ATTRIBUTES_MAX;
			p = strtok_r(NULL, "\n", &save))
			attributes[n++] = p;
		ev.attributes = (struct strv){attributes, n};
	}
	keep(log_of(c->engine), &ev, c->owner);
}

void event_tell_image(struct engine *g, const char *action, const char *id, const char *ref)
{
	struct event ev = {.type = "image", .action = action, .id = id, .name = ref};

	keep(log_of(g), &ev, EVERYONE);
}

void on_events(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct events *m = msg;
	struct event_log *l = log_of(self);
	struct waiting *w;

	(void)f;
	if (answer(l, ch, id, m, session_uid(ch), !m->wait))
		return;
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	*w = (struct waiting){.next = l->waiting,
		.relay = relay_new(self, ch, id),
		.log = l,
		.ask = *m,
		.uid = session_uid(ch)};
	w->relay->abandoned = on_abandoned;
	w->timer = loop_timer(chan_loop(ch), WAIT_MS, on_nothing, w);
	l->waiting = w;
}

void events_free(struct engine *g)
{
	struct event_log *l = g->event_log;

	while (l && l->waiting)
		waiting_drop(&l->waiting);
	while (l && l->first)
		drop_first(l);
	free(l);
	g->event_log = NULL;
}
