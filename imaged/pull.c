/* SPDX-License-Identifier: MIT */
/*
 * Pulls from request to reply; see pull.h. Callbacks of workers only note what happened; whatever
 * comes next is decided in one place, pull_step(), from the loop.
 */
#include "pull_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../proto/base/log.h"
#include "manifest.h"

#define RESOLVE_MS    120000
#define RESOLVING_MAX 4 /* at a time; each holds a document in the fetch worker's memory */
#define DRAIN_MS      5000

static const struct err fetcher_gone = {ECONNRESET, "the fetch worker has ended unexpectedly"};

static const char *const state_names[] = {
	[JOB_WAITING] = "waiting",
	[JOB_RUNNING] = "pulling",
	[JOB_DONE] = "done",
	[JOB_EXISTS] = "exists",
};

static void tell_progress(struct pull *p, const struct job *j, enum job_state state, uint64_t bytes)
{
	struct image_progress m = {
		.layer = j->layer->digest,
		.state = state_names[state],
		.bytes = bytes,
		.total = j->layer->size,
	};

	for (uint32_t i = 0; i < p->n_waiters; i++)
		chan_event(p->waiters[i].chan, MSG_image_progress, p->waiters[i].id, &m);
}

void pull_progress(struct pull *p, const struct job *j, uint64_t bytes)
{
	tell_progress(p, j, j->state, bytes);
}

void pulls_progress(const struct job *running, uint64_t bytes)
{
	for (struct pull *p = running->pull->all->first; p; p = p->next)
		for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++) {
			const struct job *j = &p->jobs[i];

			if (j == running ||
				(j->state == JOB_WAITING &&
					strcmp(j->layer->digest, running->layer->digest) == 0))
				tell_progress(p, j, JOB_RUNNING, bytes);
		}
}

void pull_tell(
	struct chan *c, uint32_t id, const struct image *image, const char *ref, bool fetched)
{
	struct image copy = *image;
	struct image_pulled m = {.image = &copy, .ref = ref, .fetched = fetched};

	chan_reply(c, id, MSG_image_pulled, &m);
}

static void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void pull_free(struct pull *p)
{
	for (struct pull **pp = &p->all->first; *pp; pp = &(*pp)->next)
		if (*pp == p) {
			*pp = p->next;
			break;
		}
	for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
		watch_free(p->jobs[i].stall);
	if (p->fetcher)
		worker_put(p->fetcher);
	watch_free(p->pace);
	watch_free(p->drain);
	watch_free(p->dirs_stall);
	free(p->platform);
	free(p->username);
	secret_free(p->password);
	free(p->waiters);
	free(p->jobs);
	free(p->buf);
	arena_free(&p->arena);
	free(p);
}

static void close_session(struct pull *p)
{
	struct fetch_close m = {.session = p->session};

	if (p->has_session && p->fetcher)
		chan_event(worker_chan(p->fetcher), MSG_fetch_close, 0, &m);
	p->has_session = false;
}

static bool pull_running(const struct pull *p)
{
	for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
		if (job_running(&p->jobs[i]))
			return true;
	return p->resolving || p->dirs_worker;
}

/* Cancelled jobs didn't end by themselves in time. */
static void on_drain(void *arg)
{
	struct pull *p = arg;

	log_warn("%s: a worker does not let go and is ended", p->ref);
	for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
		job_kill(&p->jobs[i]);
	if (p->dirs_worker)
		worker_kill(p->dirs_worker);
	if (p->resolving && p->fetcher)
		worker_kill(p->fetcher);
}

void pull_fail(struct pull *p, const struct err *e)
{
	if (p->state == PULL_FAILED)
		return;
	p->failure = *e;
	p->state = PULL_FAILED;
	close_session(p);
	p->drain = loop_timer(p->all->loop, DRAIN_MS, on_drain, p);
	pulls_kick(p->all);
}

/* Those that it has brought and no image has. */
static void drop_layers(struct pull *p)
{
	for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++) {
		const struct job *j = &p->jobs[i];

		if (j->state == JOB_DONE && !pulls_need(p->all, p, j->layer->digest))
			store_layer_release(p->all->store, j->layer->digest);
	}
}

static void pull_end_failed(struct pull *p)
{
	for (uint32_t i = 0; i < p->n_waiters; i++)
		chan_fail(p->waiters[i].chan, p->waiters[i].id, &p->failure);
	pull_dirs_drop(p);
	drop_layers(p);
	pull_partials_end(p);
	pull_free(p);
}

static void pull_end(struct pull *p)
{
	struct err e = {0};
	bool is_new;

	p->image.pulled_at = time_now_ns();
	if (pull_dirs_keep(p, &e) < 0 ||
		store_put(p->all->store, &p->image, p->ref, &is_new, &e) < 0) {
		pull_fail(p, &e);
		return;
	}
	close_session(p);
	for (uint32_t i = 0; i < p->n_waiters; i++)
		pull_tell(p->waiters[i].chan, p->waiters[i].id,
			store_by_id(p->all->store, p->image.id), p->ref, p->fetched || is_new);
	drop_layers(p);
	pull_partials_end(p);
	pull_free(p);
}

static int check_resolved(const struct image *image, const struct pull *p, struct err *e)
{
	const char *digest = strchr(p->ref, '@');

	if (!digest_valid(image->id))
		return err_set(e, EBADMSG, "the fetch worker gives no valid image id");
	if (image->digest && !digest_valid(image->digest))
		return err_set(e, EBADMSG, "the fetch worker gives no valid manifest digest");
	if (digest && (!image->digest || strcmp(image->digest, digest + 1) != 0))
		return err_set(e, EBADMSG, "the manifest is not the one with that digest");
	for (uint32_t i = 0; i < image->layers.n; i++) {
		const struct layer *l = &image->layers.v[i];

		if (!digest_valid(l->digest) || !digest_valid(l->diff_id))
			return err_set(e, EBADMSG, "the fetch worker gives no valid layer digest");
		if (l->size == 0 || l->size > MANIFEST_LAYER_MAX)
			return err_set(e, EBADMSG, "the fetch worker gives no valid layer size");
	}
	return image->layers.n > 0 ? 0 : err_set(e, EINVAL, "image has no layers");
}

static int take_resolved(struct pull *p, const struct fetch_resolved *m, struct err *e)
{
	int r = check_resolved(m->image, p, e);

	if (r < 0)
		return r;
	r = codec_copy(&schema_image, m->image, &p->buf, &p->arena, &p->image, e);
	if (r < 0)
		return r;
	p->image.dirs = false;
	p->jobs = calloc(p->image.layers.n, sizeof(*p->jobs));
	if (!p->jobs)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < p->image.layers.n; i++)
		p->jobs[i] = (struct job){.pull = p, .layer = &p->image.layers.v[i]};
	return 0;
}

/* Who watches learns of every layer first, lowest first. */
static void announce(struct pull *p)
{
	p->state = PULL_RESOLVED;
	for (uint32_t i = 0; i < p->image.layers.n; i++)
		if (store_has_layer(p->all->store, p->jobs[i].layer, NULL) == 0)
			pull_progress(p, &p->jobs[i], 0);
}

static void on_resolved(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct fetch_resolved *m = msg;
	struct pull *p = arg;
	struct err why = {0};

	(void)f;
	p->resolving = false;
	secret_free(TAKE_PTR(p->password));
	if (m) {
		p->session = m->session;
		p->has_session = true;
	}
	if (p->state == PULL_FAILED)
		close_session(p);
	else if (e)
		pull_fail(p, e->code == ECONNRESET ? &fetcher_gone : e);
	else if (take_resolved(p, m, &why) < 0)
		pull_fail(p, &why);
	else
		announce(p);
	pulls_kick(p->all);
}

static unsigned int resolving(const struct pulls *all)
{
	unsigned int n = 0;

	for (const struct pull *p = all->first; p; p = p->next)
		n += p->resolving && !p->slow;
	return n;
}

static void pull_resolve(struct pull *p)
{
	struct fetch_image m = {
		.ref = p->ref,
		.platform = p->platform,
		.username = p->username,
		.password = p->password,
	};

	if (resolving(p->all) >= RESOLVING_MAX)
		return;
	p->fetcher = workers_get(p->all->workers, WORKER_FETCH);
	if (!p->fetcher)
		return;
	pull_watch_pace(p);
	p->state = PULL_RESOLVING;
	p->resolving = true;
	chan_request(worker_chan(p->fetcher), MSG_fetch_image, &m, RESOLVE_MS, on_resolved, p);
}

bool pulls_busy_with(const struct pulls *all, const char *digest)
{
	for (const struct pull *p = all->first; p; p = p->next)
		for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
			if (job_running(&p->jobs[i]) &&
				strcmp(p->jobs[i].layer->digest, digest) == 0)
				return true;
	return false;
}

/* Both at one registry? */
static bool are_neighbours(const struct pull *a, const struct pull *b)
{
	size_t n = strcspn(a->ref, "/");

	return strncmp(a->ref, b->ref, n + 1) == 0;
}

/* A layer that crawls in from elsewhere would let whoever asks a slow registry for it keep it from
 * everybody: it is not waited for, but fetched a second time. */
static bool is_brought(const struct job *mine)
{
	const struct pulls *all = mine->pull->all;

	for (const struct pull *p = all->first; p; p = p->next)
		for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++)
			if (job_running(&p->jobs[i]) &&
				strcmp(p->jobs[i].layer->digest, mine->layer->digest) == 0 &&
				(!p->slow || are_neighbours(p, mine->pull)))
				return true;
	return false;
}

bool pulls_need(const struct pulls *all, const struct pull *but, const char *digest)
{
	for (const struct pull *p = all->first; p; p = p->next)
		for (uint32_t i = 0; p != but && p->state == PULL_RESOLVED && i < p->image.layers.n;
			i++)
			if (strcmp(p->image.layers.v[i].digest, digest) == 0)
				return true;
	return false;
}

/* One layer, a step on. True when it is here. Also those that were here are looked at again: an
 * image that shared them may have been removed meanwhile. */
static bool job_step(struct job *j)
{
	struct pull *p = j->pull;
	struct err e = {0};
	int r;

	if (job_running(j))
		return false;
	r = store_has_layer(p->all->store, j->layer, &e);
	if (r < 0) {
		err_prefix(&e, "layer %.19s", j->layer->digest);
		pull_fail(p, &e);
	} else if (r > 0 && j->state == JOB_WAITING) {
		j->state = JOB_EXISTS;
		pull_progress(p, j, j->layer->size);
	} else if (r == 0) {
		j->state = JOB_WAITING;
		if (!is_brought(j))
			job_start(j);
	}
	return r > 0;
}

static void pull_step(struct pull *p)
{
	bool all_here = true;

	if (p->state == PULL_WANTS_FETCHER)
		pull_resolve(p);
	for (uint32_t i = 0; p->state == PULL_RESOLVED && i < p->image.layers.n; i++)
		all_here &= job_step(&p->jobs[i]);
	if (p->state == PULL_RESOLVED && all_here && pull_dirs_step(p))
		pull_end(p);
	else if (p->state == PULL_FAILED && !pull_running(p))
		pull_end_failed(p);
}

static void on_kick(void *arg)
{
	struct pulls *all = arg;
	struct pull *p, *next;

	for (p = all->first; p; p = next) {
		next = p->next;
		pull_step(p);
	}
}

void pulls_kick(struct pulls *all)
{
	if (all->kick)
		timer_again(all->kick, 0);
	else
		all->kick = loop_timer(all->loop, 0, on_kick, all);
}

static void on_want(void *arg, const char *kind)
{
	struct pulls *all = arg;

	all->want(all->want_arg, kind);
}

static void on_over(void *arg, const char *kind, uint32_t name)
{
	struct pulls *all = arg;

	if (all->over)
		all->over(all->want_arg, kind, name);
}

static void on_changed(void *arg)
{
	pulls_kick(arg);
}

static void on_lost(void *arg, struct worker *w)
{
	struct pulls *all = arg;

	for (struct pull *p = all->first; p; p = p->next)
		if (p->fetcher == w) {
			p->fetcher = NULL;
			pull_fail(p, &fetcher_gone);
		}
}

static void on_missing(void *arg, enum worker_kind kind)
{
	struct pulls *all = arg;
	struct err e;

	err_set(&e, ETIMEDOUT, "no %s worker could be started",
		kind == WORKER_FETCH ? "fetch" : "unpack");
	for (struct pull *p = all->first; p; p = p->next)
		if (!pull_running(p))
			pull_fail(p, &e);
}

static void on_fetch_progress(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct fetch_progress *m = msg;

	(void)c;
	(void)f;
	job_on_progress(workers_arg(self), id, m->bytes);
}

static const struct handler fetch_handlers[] = {
	{MSG_fetch_progress, on_fetch_progress},
	{0},
};

struct pulls *pulls_new(struct store *s, const struct workers_setup *workers)
{
	struct workers_setup setup = *workers;
	struct pulls *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	*all = (struct pulls){.store = s,
		.loop = setup.loop,
		.want = setup.want,
		.over = setup.over,
		.want_arg = setup.arg};
	setup.fetch_handlers = fetch_handlers;
	setup.arg = all;
	setup.want = on_want;
	setup.over = on_over;
	setup.changed = on_changed;
	setup.lost = on_lost;
	setup.missing = on_missing;
	all->workers = workers_new(&setup);
	if (!all->workers) {
		free(all);
		return NULL;
	}
	return all;
}

/* Without answers: the process ends. Channels go first, since their callbacks look at the pulls. */
void pulls_free(struct pulls *all)
{
	if (!all)
		return;
	for (struct pull *p = all->first; p; p = p->next)
		p->fetcher = NULL;
	workers_free(all->workers);
	while (all->first)
		pull_free(all->first);
	watch_free(all->kick);
	watch_free(all->sweep);
	free(all);
}

bool pulls_touch(const struct pulls *all, const struct image *image)
{
	for (uint32_t i = 0; i < image->layers.n; i++)
		if (pulls_need(all, NULL, image->layers.v[i].digest))
			return true;
	return false;
}

bool pulls_idle(const struct pulls *all)
{
	return !all->first;
}

struct workers *pulls_workers(struct pulls *all)
{
	return all->workers;
}
