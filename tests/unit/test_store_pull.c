/* SPDX-License-Identifier: MIT */
/*
 * Pulls with made-up workers on the other ends of their channels: what a pull asks for, whom it
 * believes, and what it leaves behind when one of them fails, lies or dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_file.h"
#include "imaged/pull.h"
#include "proto/base/fd.h"

#define TEXT_MAX    128
#define ANSWERS_MAX 8
#define BLOBS_MAX   16
#define UNPACKERS   2
#define PATIENCE_MS 5000
#define WRONG_DIFF  'f'

struct answer {
	bool pulled, fetched;
	char text[256], id[TEXT_MAX];
};

/* A blob that the fetch worker was asked for and keeps until told what to do. */
struct blob {
	uint32_t id;
	int out;
};

struct world {
	char path[64];
	int dir;
	struct loop *loop;
	struct store *store;
	struct pulls *pulls;
	struct chan *imaged;	 /* the mounter's end towards the supervisor */
	struct chan *supervisor; /* and the other end */
	struct chan *fetch;
	struct chan *unpack[UNPACKERS];
	struct watch *patience;
	struct answer answers[ANSWERS_MAX];
	unsigned int n_answers, stop_at, stop_wants, requests, closes, wants[2], progress;
	struct blob held[BLOBS_MAX];
	unsigned int n_blobs, n_held, stop_held;
	bool hold;	      /* keep blobs back */
	char layers[2][8];    /* of the images that "…:a" and "…:b" mean */
	char fail_blob;	      /* this one breaks off, */
	int fail_code;	      /* so */
	char spoilt;	      /* this one has the wrong digest, */
	int spoilt_times;     /* so often */
	char wrong_diff;      /* this one unpacks to something else */
	char full_disk;	      /* this one doesn't fit, */
	unsigned int n_bare;  /* so many were asked for without a place to keep them, */
	unsigned int n_known; /* so many with something in it */
	bool fits_bare;	      /* but for then */
	char implied[8];      /* these leave directories out */
	unsigned int dirs;    /* so many does unpack_dirs find; or how it goes wrong: */
	bool dirs_fail, dirs_die;
	unsigned int n_dirs; /* it was asked so often, */
	char stack[8];	     /* last for these layers */
	bool bad_digest;
};

static const char *digest(char c, char buf[TEXT_MAX])
{
	char hex[65];

	memset(hex, c, 64);
	hex[64] = '\0';
	snprintf(buf, TEXT_MAX, "sha256:%s", hex);
	return buf;
}

/* ---- the fetch worker ---- */

static void on_fetch_image(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct fetch_image *q = msg;
	struct world *w = self;
	const char *tag = strrchr(q->ref, ':') + 1;
	const char *layers = w->layers[*tag - 'a'];
	char image_id[TEXT_MAX], d[8][TEXT_MAX];
	struct layer v[8];
	struct image image = {.id = digest(*tag, image_id), .layers.v = v};

	(void)f;
	w->requests++;
	for (uint32_t n = 0; layers[n]; n++) {
		v[n] = (struct layer){
			.digest = digest(layers[n], d[n]), .diff_id = d[n], .size = 71};
		image.layers.n = n + 1;
	}
	if (w->bad_digest)
		v[0].digest = "sha256:../../../etc/passwd";
	if (image.layers.n > 0) {
		chan_reply(c, id, MSG_fetch_resolved,
			&(struct fetch_resolved){.image = &image, .session = 5});
		return;
	}
	chan_fail(c, id, &(struct err){ENOENT, "image \"a\" not found"});
}

static void send_blob(struct world *w, uint32_t id, int out, const char *text)
{
	struct fetch_progress half = {.bytes = 35};

	chan_event(w->fetch, MSG_fetch_progress, id, &half);
	if (text[7] == w->fail_blob) {
		fd_write_all(out, text, 20);
		close(out);
		chan_fail(w->fetch, id,
			&(struct err){w->fail_code ? w->fail_code : EIO, "the registry broke off"});
		return;
	}
	fd_write_all(out, text, strlen(text));
	close(out);
	if (text[7] == w->spoilt && w->spoilt_times-- > 0)
		chan_fail(w->fetch, id, &(struct err){EBADMSG, "digest mismatch"});
	else
		chan_done(w->fetch, id);
}

static void on_fetch_blob(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct fetch_blob *q = msg;
	struct world *w = self;
	int out = frame_take_fd(f, q->out), kept = frame_take_fd(f, q->kept);

	(void)c;
	assert_int_equal(q->session, 5);
	w->n_blobs++;
	w->n_bare += kept < 0;
	if (kept >= 0) {
		w->n_known += lseek(kept, 0, SEEK_END) > 0;
		assert_int_equal(fd_write_all(kept, q->digest, 10), 0);
		close(kept);
	}
	if (!w->hold) {
		send_blob(w, id, out, q->digest);
		return;
	}
	w->held[w->n_held++] = (struct blob){.id = id, .out = out};
	if (w->n_held == w->stop_held)
		loop_stop(w->loop, 0);
}

/* What is still held breaks off, as a real fetch worker does it. */
static void on_fetch_close(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct world *w = self;

	(void)c;
	(void)id;
	(void)msg;
	(void)f;
	w->closes++;
	for (unsigned int i = 0; i < w->n_held; i++) {
		close(w->held[i].out);
		chan_fail(w->fetch, w->held[i].id, &(struct err){ECANCELED, "called off"});
	}
	w->n_held = 0;
}

static const struct handler fetch_handlers[] = {
	{MSG_fetch_image, on_fetch_image},
	{MSG_fetch_blob, on_fetch_blob},
	{MSG_fetch_close, on_fetch_close},
	{0},
};

/* ---- an unpack worker: the "image" is the blob, and the blob is its digest's text ---- */

struct unpacking {
	struct world *w;
	struct chan **chan; /* NULL inside once the worker is dead */
	uint32_t id;
	int in, out;
	char text[TEXT_MAX];
	size_t n;
	struct watch *watch;
};

static void unpack_end(struct unpacking *u)
{
	char wrong[TEXT_MAX];
	struct unpacked_layer m = {
		.diff_id = u->text, .image_bytes = IMAGE_FILE_BYTES, .inodes = 1};

	close(u->in);
	m.implied = u->n > 7 && strchr(u->w->implied, u->text[7]) ? 2 : 0;
	if (u->text[7] == u->w->wrong_diff)
		m.diff_id = digest(WRONG_DIFF, wrong);
	if (!*u->chan)
		;
	else if (u->n < 71)
		chan_fail(*u->chan, u->id, &(struct err){EBADMSG, "truncated tar"});
	else if (u->text[7] == u->w->full_disk && !(u->w->fits_bare && u->w->n_bare > 0))
		chan_fail(*u->chan, u->id, &(struct err){ENOSPC, "no space left on device"});
	else if (image_file_plain(u->out, u->text) == 0)
		chan_reply(*u->chan, u->id, MSG_unpacked_layer, &m);
	close(u->out);
	watch_free(u->watch);
	free(u);
}

static void on_bytes(void *arg, int what)
{
	struct unpacking *u = arg;
	ssize_t n = read(u->in, u->text + u->n, sizeof(u->text) - 1 - u->n);

	(void)what;
	if (n > 0)
		u->n += (size_t)n;
	else
		unpack_end(u);
}

static void on_unpack_layer(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct unpack_layer *q = msg;
	struct world *w = self;
	struct unpacking *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	*u = (struct unpacking){.w = w, .chan = &w->unpack[c == w->unpack[1]], .id = id};
	u->in = frame_take_fd(f, q->in);
	u->out = frame_take_fd(f, q->out);
	u->watch = loop_fd(w->loop, u->in, LOOP_READ, on_bytes, u);
}

static void on_unpack_dirs(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct unpack_dirs *q = msg;
	struct world *w = self;
	struct unpacked_dirs m = {.dirs = w->dirs, .image_bytes = IMAGE_FILE_BYTES};

	(void)f;
	w->n_dirs++;
	memset(w->stack, 0, sizeof(w->stack));
	for (uint32_t i = 0; i < q->layers.n; i++) {
		assert_int_equal(pread(q->layers.v[i], &w->stack[i], 1, 7), 1);
		assert_int_equal(write(q->layers.v[i], "", 1), -1);
	}
	assert_int_equal(image_file_plain(q->out, "dirs"), 0);
	if (w->dirs_die) {
		w->unpack[c == w->unpack[1]] = NULL;
		chan_close(c);
	} else if (w->dirs_fail) {
		chan_fail(c, id, &(struct err){ENOSPC, "no space left on device"});
	} else {
		chan_reply(c, id, MSG_unpacked_dirs, &m);
	}
}

static const struct handler unpack_handlers[] = {
	{MSG_unpack_layer, on_unpack_layer},
	{MSG_unpack_dirs, on_unpack_dirs},
	{0},
};

/* ---- the supervisor ---- */

static void on_answer(void *arg, void *msg, struct frame *f, const struct err *e)
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

static void on_progress(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct image_progress *m = msg;
	struct world *w = self;

	(void)c;
	(void)id;
	(void)f;
	w->progress += strcmp(m->state, "pulling") == 0 && m->bytes == 35;
}

static void on_pull(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct world *w = self;

	(void)f;
	pulls_start(w->pulls, c, id, msg);
}

static void on_cancel(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
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
static void on_close(void *self, struct chan *c)
{
	struct world *w = self;

	if (w->fetch == c)
		w->fetch = NULL;
	for (unsigned int i = 0; i < UNPACKERS; i++)
		if (w->unpack[i] == c)
			w->unpack[i] = NULL;
}

static struct chan *peer(struct world *w, int *ret_other, enum role self, enum role other,
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

static void add_fetch(struct world *w)
{
	struct err e;
	int fd;

	w->fetch = peer(w, &fd, FETCH, IMAGED, fetch_handlers);
	assert_int_equal(workers_add(pulls_workers(w->pulls), "fetch", 0, fd, &e), 0);
}

static void add_unpack(struct world *w, unsigned int i)
{
	struct err e;
	int fd;

	w->unpack[i] = peer(w, &fd, UNPACK, IMAGED, unpack_handlers);
	assert_int_equal(workers_add(pulls_workers(w->pulls), "unpack", 0, fd, &e), 0);
}

static void on_want(void *arg, const char *kind)
{
	struct world *w = arg;

	w->wants[strcmp(kind, "unpack") == 0]++;
	if (w->wants[0] + w->wants[1] == w->stop_wants)
		loop_stop(w->loop, 0);
}

static void on_out_of_patience(void *arg)
{
	(void)arg;
	fail_msg("nothing happens any more");
}

static int setup(void **state)
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

static int setup_with_workers(void **state)
{
	int r = setup(state);

	add_fetch(*state);
	for (unsigned int i = 0; i < UNPACKERS; i++)
		add_unpack(*state, i);
	return r;
}

static int teardown(void **state)
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

static uint32_t ask(struct world *w, const char *ref, const char *policy)
{
	struct image_pull m = {.ref = ref, .policy = policy};

	return chan_request(w->supervisor, MSG_image_pull, &m, 0, on_answer, w);
}

static void cancel(struct world *w, uint32_t id)
{
	chan_event(w->supervisor, MSG_image_cancel, id, &(struct image_cancel){0});
}

static void wait_answers(struct world *w, unsigned int n)
{
	w->stop_at = w->n_answers + n;
	loop_run(w->loop);
}

static unsigned int count_files(struct world *w, const char *name)
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
static void assert_kept(struct world *w, unsigned int n)
{
	assert_int_equal(count_files(w, "tmp"), 0);
	assert_int_equal(count_files(w, "layers"), 0);
	assert_int_equal(count_files(w, "dirs"), 0);
	assert_int_equal(count_files(w, "records"), 0);
	assert_int_equal(count_files(w, "partial"), n);
}

static void assert_nothing_left(struct world *w)
{
	assert_kept(w, 0);
}

/* ---- tests ---- */

static void pulls_once_and_knows_it(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];

	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_true(w->answers[0].fetched);
	assert_string_equal(w->answers[0].id, digest('a', id));
	assert_string_equal(w->answers[0].text, "docker.io/library/x:a");
	assert_int_equal(w->n_blobs, 2);
	assert_int_equal(w->progress, 2);
	assert_int_equal(count_files(w, "layers"), 2);
	assert_int_equal(count_files(w, "records"), 1);
	assert_int_equal(count_files(w, "tmp"), 0);
	ask(w, "x:a", "always");
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
	assert_false(w->answers[1].fetched);
	assert_int_equal(w->requests, 2);
	assert_int_equal(w->n_blobs, 2);
	ask(w, "x:a", "missing");
	ask(w, "x:a", "never");
	wait_answers(w, 2);
	assert_true(w->answers[2].pulled && w->answers[3].pulled);
	assert_int_equal(w->requests, 2);
}

static void policies_are_kept(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", "never");
	ask(w, "x:a", "maybe");
	ask(w, "X:a", "always");
	wait_answers(w, 3);
	assert_string_equal(w->answers[0].text, "image \"x:a\" is not here, and pulling is off");
	assert_string_equal(
		w->answers[1].text, "pull policy \"maybe\" is not always, missing or never");
	assert_false(w->answers[2].pulled);
	assert_int_equal(w->requests, 0);
}

static void equal_pulls_are_one(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	ask(w, "x:a", NULL);
	ask(w, "docker.io/library/x:a", "missing");
	wait_answers(w, 3);
	assert_true(w->answers[0].pulled && w->answers[1].pulled && w->answers[2].pulled);
	assert_int_equal(w->requests, 1);
	assert_int_equal(w->n_blobs, 2);
}

static void shared_layer_comes_once(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	ask(w, "x:b", NULL);
	wait_answers(w, 2);
	assert_true(w->answers[0].pulled && w->answers[1].pulled);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(count_files(w, "layers"), 3);
}

static void same_layer_twice_in_an_image(void **state)
{
	struct world *w = *state;

	strcpy(w->layers[0], "121");
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_blobs, 2);
}

static void wrong_content_is_refused(void **state)
{
	struct world *w = *state;

	w->wrong_diff = '2';
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text,
		"layer sha256:222222222222: content does not match its diff id");
	assert_nothing_left(w);
}

static void registry_that_breaks_off_is_named(void **state)
{
	struct world *w = *state;

	w->fail_blob = '2';
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(
		w->answers[0].text, "layer sha256:222222222222: the registry broke off");
	assert_nothing_left(w);
	assert_int_equal(w->closes, 1);
	w->fail_blob = 0;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
}

static void spoilt_layer_comes_once_more(void **state)
{
	struct world *w = *state;

	w->spoilt = '2';
	w->spoilt_times = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(count_files(w, "layers"), 2);
	assert_int_equal(count_files(w, "tmp"), 0);
}

static void spoilt_layer_comes_once_more_only(void **state)
{
	struct world *w = *state;

	w->spoilt = '2';
	w->spoilt_times = 9;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "layer sha256:222222222222: digest mismatch");
	assert_int_equal(w->n_blobs, 3);
	assert_nothing_left(w);
}

static void what_came_stays_when_it_may_go_on(void **state)
{
	static const int codes[] = {ECONNABORTED, ECONNREFUSED, ETIMEDOUT, EBUSY, ECONNRESET};
	struct world *w = *state;

	w->fail_blob = '2';
	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++) {
		w->fail_code = codes[i];
		ask(w, "x:a", NULL);
		wait_answers(w, 1);
		assert_false(w->answers[i].pulled);
		assert_int_equal(count_files(w, "layers") + count_files(w, "tmp"), 0);
		assert_int_equal(count_files(w, "partial"), 2);
		assert_int_equal(w->n_known, 2 * i);
	}
	w->fail_blob = 0;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[ARRAY_LEN(codes)].pulled);
	assert_int_equal(w->n_known, 2 * ARRAY_LEN(codes));
	assert_int_equal(count_files(w, "partial"), 0);
}

static void what_came_goes_when_it_is_wrong(void **state)
{
	static const int codes[] = {EPROTO, ENOENT, EACCES, E2BIG};
	struct world *w = *state;

	w->fail_blob = '2';
	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++) {
		w->fail_code = codes[i];
		ask(w, "x:a", NULL);
		wait_answers(w, 1);
		assert_nothing_left(w);
	}
	assert_int_equal(w->n_known, 0);
}

static void what_came_of_a_spoilt_layer_is_not_gone_on_with(void **state)
{
	struct world *w = *state;

	w->spoilt = '2';
	w->spoilt_times = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_known, 0);
}

static void full_disk_is_rid_of_what_is_kept(void **state)
{
	struct world *w = *state;

	w->full_disk = '1';
	w->fits_bare = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_bare, 1);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(count_files(w, "partial"), 0);
}

static void full_disk_is_named(void **state)
{
	struct world *w = *state;

	w->full_disk = '1';
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(
		w->answers[0].text, "layer sha256:111111111111: no space left on device");
	assert_nothing_left(w);
}

static void worker_that_lies_about_digests(void **state)
{
	struct world *w = *state;

	w->bad_digest = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "the fetch worker gives no valid layer digest");
	assert_int_equal(w->n_blobs, 0);
}

static void unknown_image_is_the_fetchers_sentence(void **state)
{
	struct world *w = *state;

	strcpy(w->layers[0], "");
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "image \"a\" not found");
}

static void hold_blobs(struct world *w, unsigned int n)
{
	w->hold = true;
	w->stop_held = n;
	loop_run(w->loop);
	assert_int_equal(w->n_held, n);
}

static void who_shares_a_layer_hears_of_it(void **state)
{
	struct world *w = *state;
	char text[TEXT_MAX];

	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	ask(w, "x:b", NULL);
	/* Its own layer waits for an unpack worker, that of both is under way. */
	send_blob(w, w->held[0].id, w->held[0].out, digest('1', text));
	w->held[0] = w->held[1];
	w->n_held = 1;
	hold_blobs(w, 2);
	assert_int_equal(w->progress, 1);
	send_blob(w, w->held[0].id, w->held[0].out, digest('2', text));
	send_blob(w, w->held[1].id, w->held[1].out, digest('3', text));
	wait_answers(w, 2);
	assert_true(w->answers[0].pulled && w->answers[1].pulled);
	assert_int_equal(w->n_blobs, 3);
	assert_int_equal(w->progress, 4);
}

static void who_goes_takes_nobody_along(void **state)
{
	struct world *w = *state;
	char text[TEXT_MAX];
	uint32_t first;

	first = ask(w, "x:a", NULL);
	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	cancel(w, first);
	cancel(w, 77);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text, "nobody waits for it any more");
	assert_int_equal(w->closes, 0);
	send_blob(w, w->held[0].id, w->held[0].out, digest('1', text));
	send_blob(w, w->held[1].id, w->held[1].out, digest('2', text));
	w->n_held = 0;
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
}

static void nobody_waits_for_nothing(void **state)
{
	struct world *w = *state;
	uint32_t id = ask(w, "x:a", NULL);

	hold_blobs(w, 2);
	cancel(w, id);
	wait_answers(w, 1);
	assert_false(w->answers[0].pulled);
	/* Asked for again, it comes, by a session of its own. */
	w->hold = false;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
	assert_int_equal(w->n_known, 2);
	assert_int_equal(w->requests, 2);
	assert_int_equal(w->closes, 2);
	assert_int_equal(count_files(w, "layers"), 2);
	assert_int_equal(count_files(w, "tmp"), 0);
}

static void dead_unpack_worker_fails_its_layer(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	for (unsigned int i = 0; i < UNPACKERS; i++) {
		chan_close(w->unpack[i]);
		w->unpack[i] = NULL;
	}
	wait_answers(w, 1);
	assert_non_null(strstr(w->answers[0].text, ": the unpack worker has ended unexpectedly"));
	assert_kept(w, 2);
	assert_int_equal(w->closes, 1);
}

static void dead_fetch_worker_fails_the_pull(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	hold_blobs(w, 2);
	close(w->held[0].out);
	close(w->held[1].out);
	w->n_held = 0;
	chan_close(w->fetch);
	w->fetch = NULL;
	wait_answers(w, 1);
	assert_false(w->answers[0].pulled);
	assert_kept(w, 2);
	add_fetch(w);
	w->hold = false;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
}

static void workers_are_asked_for(void **state)
{
	struct world *w = *state;

	ask(w, "x:a", NULL);
	w->stop_wants = 1;
	loop_run(w->loop);
	add_fetch(w);
	w->stop_wants = 3;
	loop_run(w->loop);
	add_unpack(w, 0);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->wants[0], 1);
	assert_int_equal(w->wants[1], 2);
}

static void ignore_layer(void *arg, const char *digest_text)
{
	(void)arg;
	(void)digest_text;
}

static void layer_removed_meanwhile_comes_again(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];
	struct err e;

	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	ask(w, "x:b", NULL);
	hold_blobs(w, 1); /* layer 3; 2 is here */
	assert_int_equal(store_delete(w->store, digest('a', id), ignore_layer, NULL, &e), 0);
	w->hold = false;
	send_blob(w, w->held[0].id, w->held[0].out, digest('3', id));
	wait_answers(w, 1);
	assert_true(w->answers[1].pulled);
	assert_int_equal(w->n_blobs, 4);
	assert_int_equal(count_files(w, "layers"), 2);
}

static void directories_left_out_are_made_up(void **state)
{
	struct world *w = *state;
	const struct image *image;
	char id[TEXT_MAX];

	strcpy(w->implied, "2");
	w->dirs = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_dirs, 1);
	assert_string_equal(w->stack, "12");
	image = store_by_id(w->store, digest('a', id));
	assert_true(image->dirs);
	assert_int_equal(image->layers.v[1].implied, 2);
	assert_int_equal(count_files(w, "dirs"), 1);
	assert_int_equal(count_files(w, "tmp"), 0);
	/* Decided once; and a lowest layer has nothing below it. */
	ask(w, "y:a", NULL);
	ask(w, "x:b", NULL);
	wait_answers(w, 2);
	assert_true(w->answers[1].pulled && w->answers[2].pulled);
	assert_int_equal(w->n_dirs, 1);
	assert_int_equal(count_files(w, "dirs"), 1);
	assert_int_equal(store_by_id(w->store, id)->refs.n, 2);
	assert_true(store_by_id(w->store, id)->dirs);
}

/* Found when its first image was pulled. */
static void layer_that_was_here_is_known(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];

	strcpy(w->layers[0], "2");
	strcpy(w->layers[1], "12");
	strcpy(w->implied, "2");
	w->dirs = 1;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_int_equal(w->n_dirs, 0);
	ask(w, "x:b", NULL);
	wait_answers(w, 1);
	assert_int_equal(w->n_dirs, 1);
	assert_true(store_by_id(w->store, digest('b', id))->dirs);
}

static void directories_of_no_use_are_dropped(void **state)
{
	struct world *w = *state;
	char id[TEXT_MAX];

	strcpy(w->implied, "2");
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[0].pulled);
	assert_int_equal(w->n_dirs, 1);
	assert_false(store_by_id(w->store, digest('a', id))->dirs);
	assert_int_equal(count_files(w, "dirs") + count_files(w, "tmp"), 0);
}

static void directories_that_fail_fail_the_pull(void **state)
{
	struct world *w = *state;

	strcpy(w->implied, "2");
	w->dirs = 1;
	w->dirs_fail = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[0].text,
		"directories of image sha256:aaaaaaaaaaaa: no space left on device");
	assert_nothing_left(w);
	w->dirs_fail = false;
	w->dirs_die = true;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_string_equal(w->answers[1].text,
		"directories of image sha256:aaaaaaaaaaaa: the unpack worker has ended "
		"unexpectedly");
	assert_kept(w, 2);
	w->dirs_die = false;
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_true(w->answers[2].pulled);
	assert_int_equal(count_files(w, "dirs"), 1);
}

static void directories_go_when_the_record_fails(void **state)
{
	struct world *w = *state;
	char path[TEXT_MAX + 8], id[TEXT_MAX];

	strcpy(w->implied, "2");
	w->dirs = 1;
	snprintf(path, sizeof(path), "records/.%s.tmp", digest('a', id) + 7);
	assert_int_equal(mkdirat(w->dir, path, 0700), 0);
	ask(w, "x:a", NULL);
	wait_answers(w, 1);
	assert_int_equal(w->n_dirs, 1);
	assert_non_null(strstr(w->answers[0].text, "writing its record"));
	assert_int_equal(unlinkat(w->dir, path, AT_REMOVEDIR), 0);
	assert_nothing_left(w);
}

#define PULL_TEST(f) cmocka_unit_test_setup_teardown(f, setup_with_workers, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PULL_TEST(pulls_once_and_knows_it),
		PULL_TEST(policies_are_kept),
		PULL_TEST(equal_pulls_are_one),
		PULL_TEST(shared_layer_comes_once),
		PULL_TEST(same_layer_twice_in_an_image),
		PULL_TEST(wrong_content_is_refused),
		PULL_TEST(registry_that_breaks_off_is_named),
		PULL_TEST(spoilt_layer_comes_once_more),
		PULL_TEST(spoilt_layer_comes_once_more_only),
		PULL_TEST(what_came_stays_when_it_may_go_on),
		PULL_TEST(what_came_goes_when_it_is_wrong),
		PULL_TEST(what_came_of_a_spoilt_layer_is_not_gone_on_with),
		PULL_TEST(full_disk_is_rid_of_what_is_kept),
		PULL_TEST(full_disk_is_named),
		PULL_TEST(worker_that_lies_about_digests),
		PULL_TEST(unknown_image_is_the_fetchers_sentence),
		PULL_TEST(who_shares_a_layer_hears_of_it),
		PULL_TEST(who_goes_takes_nobody_along),
		PULL_TEST(nobody_waits_for_nothing),
		PULL_TEST(dead_unpack_worker_fails_its_layer),
		PULL_TEST(dead_fetch_worker_fails_the_pull),
		PULL_TEST(layer_removed_meanwhile_comes_again),
		PULL_TEST(directories_left_out_are_made_up),
		PULL_TEST(layer_that_was_here_is_known),
		PULL_TEST(directories_of_no_use_are_dropped),
		PULL_TEST(directories_that_fail_fail_the_pull),
		PULL_TEST(directories_go_when_the_record_fails),
		cmocka_unit_test_setup_teardown(workers_are_asked_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
