/* SPDX-License-Identifier: MIT */
/*
 * What the helpers know of this host, gathered for ctl doctor: one is asked after the other. Each
 * found it out by itself; the supervisor only carries it.
 */
#include "engine.h"

#define ANSWER_MS 5000
#define FACTS_MAX 32 /* as facts_are bounds them */

struct gathering {
	struct relay *relay;
	unsigned int asked; /* the helper whose answer is awaited */
	struct fact facts[FACTS_MAX];
	uint32_t n;
	struct arena arena;
};

static const char *keep(struct gathering *q, const char *text)
{
	return text ? arena_strdup(&q->arena, text) : NULL;
}

static void add(struct gathering *q, const struct fact *f)
{
	if (q->n < FACTS_MAX)
		q->facts[q->n++] = (struct fact){keep(q, f->name), keep(q, f->level),
			keep(q, f->found), keep(q, f->instead), keep(q, f->mend), 0};
}

/* A helper that doesn't answer does nothing else either. */
static void add_failure(struct gathering *q, enum role role, const struct err *e)
{
	const struct fact f = {.name = role_name(role),
		.level = "missing",
		.found = e->text,
		.instead = "what needs it fails until it has been started again",
		.mend = "see the engine's log for why it ended"};

	add(q, &f);
}

static void ask(struct gathering *q);

static void on_answer(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct facts_are *m = msg;
	struct gathering *q = arg;

	(void)f;
	if (e)
		add_failure(q, q->relay->engine->helpers[q->asked].role, e);
	for (uint32_t i = 0; !e && i < m->facts.n; i++)
		add(q, &m->facts.v[i]);
	q->asked++;
	ask(q);
}

static void ask(struct gathering *q)
{
	const struct facts m = {0};

	if (q->asked < H_COUNT) {
		helper_request(q->relay->engine, q->asked, MSG_facts, &m, ANSWER_MS, on_answer, q);
		return;
	}
	relay_reply(q->relay, MSG_facts_are, &(struct facts_are){.facts = {q->facts, q->n}});
	arena_free(&q->arena);
	free(q);
}

void on_facts(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	struct gathering *q = calloc(1, sizeof(*q));

	(void)msg;
	(void)f;
	if (!q)
		abort();
	q->relay = relay_new(self, ch, id);
	ask(q);
}
