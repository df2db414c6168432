/* SPDX-License-Identifier: MIT */
/*
 * The made-up workers of a pull's world, one that fetches and several that unpack: what they do
 * wrong is told to the world before the pull is asked for.
 */
#pragma once

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

#include "digest_text.h"
#include "image_file.h"
#include "imaged/pull.h"
#include "proto/base/fd.h"

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

/* ---- the fetch worker ---- */

static inline void on_fetch_image(
	void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
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

static inline void send_blob(struct world *w, uint32_t id, int out, const char *text)
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

static inline void on_fetch_blob(
	void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
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
static inline void on_fetch_close(
	void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
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

static inline void unpack_end(struct unpacking *u)
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

static inline void on_bytes(void *arg, int what)
{
	struct unpacking *u = arg;
	ssize_t n = read(u->in, u->text + u->n, sizeof(u->text) - 1 - u->n);

	(void)what;
	if (n > 0)
		u->n += (size_t)n;
	else
		unpack_end(u);
}

static inline void on_unpack_layer(
	void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
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

static inline void on_unpack_dirs(
	void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
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
