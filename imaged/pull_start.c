/* SPDX-License-Identifier: MIT */
/*
 * How a pull begins: what is asked for is here already, is being pulled already, or is new.
 */
#include "pull_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "images.h"

#define PULLS_MAX    64
#define WAITERS_MAX  256
#define PLATFORM_MAX 160

/* "os/arch" or "os/arch/variant"; the config knows no variant. */
static bool has_platform(const struct image *image, const char *platform)
{
	const struct image_config *c = image->config;
	char own[PLATFORM_MAX];
	size_t n;

	if (!platform || !c || !c->os || !c->architecture)
		return true;
	n = (size_t)snprintf(own, sizeof(own), "%s/%s", c->os, c->architecture);
	return strncmp(platform, own, n) == 0 && (platform[n] == '\0' || platform[n] == '/');
}

/* Answers from the store if the policy lets it. 1: answered; 0: must be pulled; or -errno. */
static int answer_from_store(
	struct pulls *all, struct chan *c, uint32_t id, const struct image_pull *m, struct err *e)
{
	const char *policy = m->policy ? m->policy : "always";
	bool never = strcmp(policy, "never") == 0;
	char ref[REFERENCE_TEXT_MAX];
	const struct image *image;
	struct err why;
	int r;

	images_check(all->store);
	if (strcmp(policy, "always") == 0)
		return 0;
	if (!never && strcmp(policy, "missing") != 0)
		return err_set(
			e, EINVAL, "pull policy \"%s\" is not always, missing or never", policy);
	r = store_find(all->store, m->ref, &image, ref, &why);
	if (r == 0 && has_platform(image, m->platform)) {
		pull_tell(c, id, image, *ref ? ref : image->id, false);
		return 1;
	}
	if (r < 0 && r != -ENOENT)
		return err_set(e, r, "%s", why.text);
	return never ? err_set(e, ENOENT, "image \"%.200s\" is not here, and pulling is off",
			       m->ref)
		     : 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A pull of the same thing by the same credentials that can still be joined. */
static struct pull *find_running(struct pulls *all, const char *ref, const struct image_pull *m)
{
	for (struct pull *p = all->first; p; p = p->next)
		if (p->state != PULL_FAILED && same(p->ref, ref) &&
			same(p->platform, m->platform) && same(p->username, m->username) &&
			same(p->password, m->password))
			return p;
	return NULL;
}

static int add_waiter(struct pull *p, struct chan *c, uint32_t id, struct err *e)
{
	struct waiter *v = NULL;

	if (p->n_waiters < WAITERS_MAX)
		v = reallocarray(p->waiters, p->n_waiters + 1, sizeof(*v));
	if (!v)
		return err_set(e, EAGAIN, "too many wait for this pull");
	p->waiters = v;
	v[p->n_waiters++] = (struct waiter){c, id};
	return 0;
}

static int copy_text(char **to, const char *from, struct err *e)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int pull_new(struct pulls *all, const char *ref, const struct image_pull *m,
	struct pull **ret, struct err *e)
{
	struct pull **last = &all->first, *p;
	unsigned int n = 0;
	int r;

	for (; *last; last = &(*last)->next)
		n++;
	p = n < PULLS_MAX ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return err_set(e, EAGAIN, "too many images are being pulled");
	p->all = all;
	*last = p;
	snprintf(p->ref, sizeof(p->ref), "%s", ref);
	r = copy_text(&p->platform, m->platform, e);
	if (r == 0)
		r = copy_text(&p->username, m->username, e);
	if (r == 0)
		r = copy_text(&p->password, m->password, e);
	if (r < 0)
		pull_free(p);
	else
		*ret = p;
	return r;
}

static int pull_or_join(
	struct pulls *all, struct chan *c, uint32_t id, const struct image_pull *m, struct err *e)
{
	char ref[REFERENCE_TEXT_MAX];
	struct reference parsed;
	struct pull *p;
	int r = reference_parse(m->ref, &parsed, e);

	if (r < 0)
		return r;
	p = find_running(all, reference_format(&parsed, ref), m);
	if (!p)
		r = pull_new(all, ref, m, &p, e);
	if (r == 0)
		r = add_waiter(p, c, id, e);
	if (r == 0)
		pulls_kick(all);
	return r;
}

void pulls_start(struct pulls *all, struct chan *c, uint32_t id, const struct image_pull *m)
{
	struct err e;
	int r = answer_from_store(all, c, id, m, &e);

	if (r == 0)
		r = pull_or_join(all, c, id, m, &e);
	if (r < 0)
		chan_fail(c, id, &e);
}

void pulls_cancel(struct pulls *all, struct chan *c, uint32_t id)
{
	static const struct err off = {ECANCELED, "nobody waits for it any more"};

	for (struct pull *p = all->first; p; p = p->next)
		for (uint32_t i = 0; i < p->n_waiters; i++) {
			if (p->waiters[i].chan != c || p->waiters[i].id != id)
				continue;
			p->waiters[i] = p->waiters[--p->n_waiters];
			chan_fail(c, id, &off);
			if (p->n_waiters == 0)
				pull_fail(p, &off);
			return;
		}
}
