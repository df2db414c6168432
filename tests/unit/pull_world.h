/* SPDX-License-Identifier: MIT */
/*
 * Pulls, with made-up workers on the other ends of their channels, and a made-up supervisor.
 */
#pragma once

#include "pull_workers.h"

/* ---- the supervisor ---- */

static inline void on_answer(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct image_pulled *m = msg;
	struct world *w = arg;
	struct answer *a = &w->answers[w->n_answers++];

	(void)f;
	a->pulled = !e;
	if (e) {
		snprintf(a->text, sizeof(a->text), "%s", e->text);
	} else {
		a->fetched = m->fetched;
		snprintf(a->id, sizeof(a->id), "%s", m->image->id);
		snprintf(a->text, sizeof(a->text), "%s", m->ref);
	}
	if (w->n_answers == w->stop_at)
		loop_stop(w->loop, 0);
}

static inline void on_progress(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct image_progress *m = msg;
	struct world *w = self;

	(void)c;
	(void)id;
	(void)f;
	w->progress += strcmp(m->state, "pulling") == 0 && m->bytes == 35;
}

static inline void on_pull(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct world *w = self;

	(void)f;
	pulls_start(w->pulls, c, id, msg);
}

static inline void on_cancel(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct world *w = self;

	(void)msg;
	(void)f;
	pulls_cancel(w->pulls, c, id);
}

static const struct handler imaged_handlers[] = {
	{MSG_image_pull, on_pull}, {MSG_image_cancel, on_cancel}, {0}};
static const struct handler supervisor_handlers[] = {{MSG_image_progress, on_progress}, {0}};

/* ---- both together ---- */

/* The mounter let one go. */
static inline void on_close(void *self, struct chan *c)
{
	struct world *w = self;

	if (w->fetch == c)
		w->fetch = NULL;
	for (unsigned int i = 0; i < UNPACKERS; i++)
		if (w->unpack[i] == c)
			w->unpack[i] = NULL;
}

static inline struct chan *peer(struct world *w, int *ret_other, enum role self, enum role other,
	const struct handler *handlers)
{
	int ends[2];
	struct chan *c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	c = chan_open(w->loop, ends[0],
		&(struct chan_setup){.self = self,
			.peer = other,
			.handlers = handlers,
			.arg = w,
			.on_close = on_close});
	assert_non_null(c);
	*ret_other = ends[1];
	return c;
}

static inline void add_fetch(struct world *w)
{
	struct err e;
	int fd;

	w->fetch = peer(w, &fd, FETCH, IMAGED, fetch_handlers);
	assert_int_equal(workers_add(pulls_workers(w->pulls), "fetch", 0, fd, &e), 0);
}

static inline void add_unpack(struct world *w, unsigned int i)
{
	struct err e;
	int fd;

	w->unpack[i] = peer(w, &fd, UNPACK, IMAGED, unpack_handlers);
	assert_int_equal(workers_add(pulls_workers(w->pulls), "unpack", 0, fd, &e), 0);
}

static inline void on_want(void *arg, const char *kind)
{
	struct world *w = arg;

	w->wants[strcmp(kind, "unpack") == 0]++;
	if (w->wants[0] + w->wants[1] == w->stop_wants)
		loop_stop(w->loop, 0);
}

static inline void on_out_of_patience(void *arg)
{
	(void)arg;
	fail_msg("nothing happens any more");
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct workers_setup workers = {.keep = true, .unpack_max = UNPACKERS, .want = on_want};
	struct err e;
	int fd;

	assert_non_null(w);
	strcpy(w->path, "/tmp/bulkhead-pull-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->loop = loop_new();
	assert_int_equal(store_open(w->dir, "this boot", &w->store, &e), 0);
	workers.loop = w->loop;
	workers.arg = w;
	w->pulls = pulls_new(w->store, &workers);
	w->supervisor = peer(w, &fd, SUPERVISOR, IMAGED, supervisor_handlers);
	w->imaged = chan_open(w->loop, fd,
		&(struct chan_setup){
			.self = IMAGED, .peer = SUPERVISOR, .handlers = imaged_handlers, .arg = w});
	w->patience = loop_timer(w->loop, PATIENCE_MS, on_out_of_patience, w);
	strcpy(w->layers[0], "12");
	strcpy(w->layers[1], "23");
	*state = w;
	return 0;
}

static inline int setup_with_workers(void **state)
{
	int r = setup(state);

	add_fetch(*state);
	for (unsigned int i = 0; i < UNPACKERS; i++)
		add_unpack(*state, i);
	return r;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	char cmd[TEXT_MAX];

	pulls_free(w->pulls);
	chan_close(w->supervisor);
	chan_close(w->imaged);
	chan_close(w->fetch);
	for (unsigned int i = 0; i < UNPACKERS; i++)
		chan_close(w->unpack[i]);
	watch_free(w->patience);
	store_free(w->store);
	loop_free(w->loop);
	fd_close(&w->dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", w->path);
	assert_int_equal(system(cmd), 0);
	free(w);
	return 0;
}

static inline uint32_t ask(struct world *w, const char *ref, const char *policy)
{
	struct image_pull m = {.ref = ref, .policy = policy};

	return chan_request(w->supervisor, MSG_image_pull, &m, 0, on_answer, w);
}

static inline void cancel(struct world *w, uint32_t id)
{
	chan_event(w->supervisor, MSG_image_cancel, id, &(struct image_cancel){0});
}

static inline void wait_answers(struct world *w, unsigned int n)
{
	w->stop_at = w->n_answers + n;
	loop_run(w->loop);
}

static inline unsigned int count_files(struct world *w, const char *name)
{
	int fd = openat(w->dir, name, O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* But for what came of so many blobs. */
static inline void assert_kept(struct world *w, unsigned int n)
{
	assert_int_equal(count_files(w, "tmp"), 0);
	assert_int_equal(count_files(w, "layers"), 0);
	assert_int_equal(count_files(w, "dirs"), 0);
	assert_int_equal(count_files(w, "records"), 0);
	assert_int_equal(count_files(w, "partial"), n);
}

static inline void assert_nothing_left(struct world *w)
{
	assert_kept(w, 0);
}

#define PULL_TEST(f) cmocka_unit_test_setup_teardown(f, setup_with_workers, teardown)
