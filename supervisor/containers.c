/* SPDX-License-Identifier: MIT */
/*
 * The container table: a list, newest first. A look-up walks it; two thousand rows take
 * microseconds.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "mounts.h"
#include "slice.h"

static const char *const adjectives[] = {"able", "agile", "amber", "bold", "brave", "brisk", "calm",
	"candid", "clever", "cosmic", "crisp", "daring", "deft", "eager", "early", "exact", "fair",
	"fleet", "fluent", "frank", "gentle", "glad", "grand", "happy", "hardy", "honest", "ideal",
	"jolly", "keen", "kind", "level", "lively", "lucid", "merry", "mellow", "modest", "neat",
	"nimble", "noble", "open", "patient", "plain", "polite", "proud", "quick", "quiet", "rapid",
	"ready", "robust", "sharp", "silent", "sober", "solid", "steady", "stoic", "sturdy",
	"subtle", "swift", "tidy", "tough", "vivid", "warm", "wise", "witty"};
static const char *const surnames[] = {"allen", "babbage", "backus", "bartik", "boole", "booth",
	"church", "clarke", "codd", "cray", "curry", "dahl", "diffie", "dijkstra", "easley",
	"eckert", "engelbart", "estrin", "floyd", "goldberg", "gray", "hamilton", "hamming",
	"hellman", "hoare", "holberton", "hopper", "huffman", "iverson", "johnson", "karp", "kay",
	"keller", "kernighan", "kilburn", "knuth", "lamport", "liskov", "lovelace", "mauchly",
	"mccarthy", "meltzer", "milner", "naur", "newell", "nygaard", "perlis", "perlman", "pike",
	"postel", "rabin", "ritchie", "scott", "shannon", "simon", "stallings", "tarjan",
	"thompson", "torvalds", "turing", "ullman", "wilkes", "wirth", "zuse"};

static void random_hex(char *out, size_t digits)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t raw[ID_LEN / 2];

	if (getrandom(raw, digits / 2, 0) != (ssize_t)(digits / 2))
		abort();
	for (size_t i = 0; i < digits; i++)
		out[i] = hex[i % 2 ? raw[i / 2] & 15 : raw[i / 2] >> 4];
	out[digits] = '\0';
}

/* Execs that a predecessor of this process has started run on under their numbers. */
static uint32_t first_exec(void)
{
	uint32_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		abort();
	return 1 + (n & INT32_MAX);
}

struct ctr *ctr_new(struct engine *g)
{
	struct ctr *c = calloc(1, sizeof(*c));

	if (!c) {
		log_error("out of memory");
		abort();
	}
	c->engine = g;
	c->rootfs = -1;
	c->orphan_status = -1;
	c->writable = -1;
	c->next_exec = first_exec();
	random_hex(c->id, ID_LEN);
	/* docker gives no id whose first twelve digits are a number: the host name would be one. */
	while (strspn(c->id, "0123456789") >= 12)
		random_hex(c->id, ID_LEN);
	c->next = g->ctrs;
	g->ctrs = c;
	return c;
}

void ctr_free(struct ctr *c)
{
	struct engine *g = c->engine;
	struct err e;

	for (struct ctr **p = &g->ctrs; *p; p = &(*p)->next) {
		if (*p != c)
			continue;
		*p = c->next;
		break;
	}
	if (c->maker) {
		err_set(&e, ENOENT, "container %s was removed while it was made", c->name);
		relay_fail(c->maker, &e);
	}
	watch_free(c->restart.timer);
	follow_end(c);
	health_free(c);
	shim_end(c->shim);
	if (c->slot)
		slot_release(g, c->slot);
	for (uint32_t i = 0; i < c->n_sources; i++)
		fd_close(&c->sources[i]);
	free(c->sources);
	fd_close(&c->rootfs);
	fd_close(&c->writable);
	watch_free(c->stop_timer);
	watch_free(c->heir_timer);
	while (c->waiters) {
		struct waiter *w = c->waiters;

		c->waiters = w->next;
		free(w);
	}
	while (c->execs) {
		struct exec *x = c->execs;

		c->execs = x->next;
		free(x);
	}
	doc_free(&c->create);
	doc_free(&c->updated);
	doc_free(&c->config);
	doc_free(&c->spec);
	doc_free(&c->endpoint);
	doc_free(&c->in_force);
	doc_free(&c->health);
	free(c->cgroup);
	free(c);
}

bool ctr_visible(const struct ctr *c, uid_t uid)
{
	return uid == 0 || c->owner == uid;
}

struct ctr *ctr_by_id(struct engine *g, const char *id)
{
	struct ctr *c = g->ctrs;

	while (c && strcmp(c->id, id) != 0)
		c = c->next;
	return c;
}

struct ctr *ctr_by_cgroup(struct engine *g, const char *cgroup)
{
	const char *slash = strrchr(cgroup, '/');

	return ctr_by_id(g, slash ? slash + 1 : cgroup);
}

int ctr_place(struct ctr *c, struct err *e)
{
	const char *slice = ctr_create(c)->cgroup_parent;
	char path[SLICE_PATH_MAX + 1];
	int r;

	if (!slice)
		return 0;
	r = slice_expand(slice, path, e);
	if (r == 0 && asprintf(&c->cgroup, "%s/%s", path, c->id) < 0)
		abort();
	return r;
}

/* What a word matches: ids and prefixes of ids; names of one's own, and (for root) of others. */
struct matches {
	struct ctr *name, *other, *prefix;
	unsigned int n_others, n_prefixes;
};

static void match(struct ctr *c, const char *ref, uid_t uid, struct matches *m)
{
	size_t n = strlen(ref);

	if (strcmp(c->id, ref) == 0 || (c->owner == uid && strcmp(c->name, ref) == 0)) {
		m->name = c;
	} else if (strcmp(c->name, ref) == 0) {
		m->other = c;
		m->n_others++;
	} else if (n > 0 && strncmp(c->id, ref, n) == 0) {
		m->prefix = c;
		m->n_prefixes++;
	}
}

int ctr_find(struct engine *g, const char *ref, uid_t uid, struct ctr **ret, struct err *e)
{
	struct matches m = {0};

	for (struct ctr *c = g->ctrs; c; c = c->next)
		if (ctr_visible(c, uid))
			match(c, ref, uid, &m);
	if (!m.name && m.n_others > 1)
		return err_set(e, EINVAL,
			"%u users have a container of the name %.64s; say which by its id",
			m.n_others, ref);
	if (!m.name && !m.other && m.n_prefixes > 1)
		return err_set(e, EINVAL, "%.64s is the beginning of %u ids; give more of it", ref,
			m.n_prefixes);
	*ret = m.name ? m.name : m.other ? m.other : m.prefix;
	return *ret ? 0 : err_set(e, ENOENT, "no such container: %.128s", ref);
}

/* docker's grammar: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
static bool name_ok(const char *s)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return *s && !strchr("_.-", *s) && strlen(s) <= NAME_LEN && strspn(s, letters) == strlen(s);
}

int ctr_name_check(struct engine *g, const char *name, uid_t uid, struct err *e)
{
	if (!name_ok(name))
		return err_set(e, EINVAL,
			"invalid name \"%.64s\": only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed",
			name);
	for (const struct ctr *c = g->ctrs; c; c = c->next)
		if (c->owner == uid && strcmp(c->name, name) == 0)
			return err_set(e, EEXIST,
				"the name \"%.64s\" is already in use by container %.12s; remove that one first",
				name, c->id);
	return 0;
}

void ctr_name_random(struct engine *g, uid_t uid, char name[NAME_LEN + 1])
{
	uint16_t raw[2];

	for (unsigned int tries = 0;; tries++) {
		if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
			abort();
		snprintf(name, NAME_LEN + 1, "%s_%s", adjectives[raw[0] % ARRAY_LEN(adjectives)],
			surnames[raw[1] % ARRAY_LEN(surnames)]);
		if (tries >= 8)
			snprintf(name + strlen(name), 8, "%u", raw[0] % 1000U);
		if (ctr_name_check(g, name, uid, NULL) == 0)
			return;
	}
}

void ctr_conceal(struct engine *g, uid_t uid, struct err *e)
{
	char short_id[12 + 1], text[ERR_TEXT_MAX], *at;

	for (const struct ctr *c = g->ctrs; c; c = c->next) {
		if (ctr_visible(c, uid))
			continue;
		memcpy(short_id, c->id, 12);
		short_id[12] = '\0';
		at = strstr(e->text, short_id);
		if (!at)
			continue;
		memcpy(text, e->text, sizeof(text));
		err_set(e, e->code, "%.*s(another user's)%s", (int)(at - e->text), text,
			text + (at - e->text) + strspn(at, "0123456789abcdef"));
	}
}

uint64_t ctr_taken(const struct engine *g, uid_t uid, enum quota q)
{
	return ctr_taken_beside(g, uid, q, NULL);
}

uint64_t ctr_taken_beside(const struct engine *g, uid_t uid, enum quota q, const struct ctr *except)
{
	uint64_t sum = 0, one;

	for (const struct ctr *c = g->ctrs; c; c = c->next) {
		if (c->owner != uid || !c->create.obj || c == except)
			continue;
		one = policy_amount(q, ctr_create(c));
		if (c->updated.obj)
			one = MAX(one, policy_amount(q, c->updated.obj));
		if (one == POLICY_UNSET || __builtin_add_overflow(sum, one, &sum))
			return POLICY_UNSET;
	}
	return sum;
}

void ctr_count(struct ctr *c, const struct cgroup_state *m)
{
	c->memory_peak = MAX(c->memory_peak, m->memory_peak);
	c->pids_hits = MAX(c->pids_hits, m->pids_hits);
}

bool ctr_lost_sources(const struct ctr *c)
{
	const struct create *o = ctr_create(c);
	uint32_t binds = 0;

	for (uint32_t i = 0; i < c->n_sources; i++)
		if (c->sources[i] < 0)
			return true;
	for (uint32_t i = 0; i < o->mounts.n; i++)
		binds += mount_has_source(&o->mounts.v[i]);
	return binds > c->n_sources || (o->rootfs && c->rootfs < 0);
}

const char *ctr_status_name(const struct ctr *c)
{
	switch (c->status) {
	case CTR_CREATED:
		return "created";
	case CTR_STARTING:
		return c->restart.automatic ? "restarting" : c->finished_at ? "exited" : "created";
	case CTR_RUNNING:
		return c->paused ? "paused" : "running";
	case CTR_FINISHING:
		return c->shim ? "running" : "exited";
	case CTR_EXITED:
		return "exited";
	case CTR_RESTARTING:
		return "restarting";
	case CTR_REMOVING:
		return "removing";
	}
	return "dead";
}
