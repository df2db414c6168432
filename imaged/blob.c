/* SPDX-License-Identifier: MIT */
/*
 * Blobs: registry to pipe; see blob.h. The registry is trusted in nothing, the reader only to read
 * or be gone.
 */
#include "blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "sha256.h"

#define PIPE_BYTES (1 << 20) /* fs.pipe-max-size; what an ordinary user gets */

struct blob {
	struct loop *loop;
	struct get *get; /* NULL when it has ended */
	struct blob_request q;
	char digest[DIGEST_TEXT_MAX];
	struct sha256 *sum;
	uint64_t received;
	uint64_t told_ns;   /* when progress was last reported */
	struct watch *room; /* waits for room in the pipe */
	bool paused;	    /* the get waits for it too */
	bool reading_back;  /* of what was kept there may be more */
	struct err failure;
	char pending[HTTP_CHUNK_MAX]; /* taken from the get, not yet in the pipe: `left` bytes from
					 `at` */
	size_t at, left;
};

static void blob_free(struct blob *b)
{
	watch_free(b->room);
	sha256_free(b->sum);
	fd_close(&b->q.out);
	fd_close(&b->q.kept);
	free(b);
}

void blob_cancel(struct blob *b)
{
	if (!b)
		return;
	get_cancel(b->get);
	blob_free(b);
}

/* The reader sees the end of its pipe before anyone hears how it went. */
static void finish(struct blob *b)
{
	watch_free(b->room);
	b->room = NULL;
	fd_close(&b->q.out);
	if (b->failure.code)
		err_prefix(&b->failure, "layer %s", b->digest);
	else
		b->q.on_progress(b->q.arg, b->received);
	b->q.on_done(b->q.arg, b->failure.code ? &b->failure : NULL);
	blob_free(b);
}

/* ---- into the pipe ---- */

static void tell_progress(struct blob *b)
{
	uint64_t now = time_mono_ns();

	if (now - b->told_ns < BLOB_PROGRESS_MS * 1000000ULL)
		return;
	b->told_ns = now;
	b->q.on_progress(b->q.arg, b->received);
}

/* How much of it the pipe took, or -errno; 0 when it is full. */
static ssize_t put(struct blob *b, const char *p, size_t n)
{
	ssize_t w;

	do
		w = write(b->q.out, p, n);
	while (w < 0 && errno == EINTR);
	if (w >= 0)
		return w;
	if (errno == EAGAIN)
		return 0;
	if (errno == EPIPE)
		return err_set(&b->failure, EPIPE, "its reader is gone");
	return err_errno(&b->failure, errno, "writing it");
}

static void on_room(void *arg, int what);
static void ask_for_rest(struct blob *b);

static int wait_for_room(struct blob *b)
{
	int r = 0;

	if (b->room)
		r = watch_change(b->room, LOOP_WRITE);
	else if (!(b->room = loop_fd(b->loop, b->q.out, LOOP_WRITE, on_room, b)))
		r = -ENOMEM;
	return r < 0 ? err_set(&b->failure, ENOMEM, "out of memory") : 0;
}

static int pass_on(struct blob *b, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = put(b, p, n);

		if (w < 0)
			return (int)w;
		if (w == 0) {
			memcpy(b->pending, p, n);
			b->at = 0;
			b->left = n;
			return wait_for_room(b);
		}
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static void end_early(struct blob *b)
{
	/* What reads it may have found it wrong before its end. */
	if (b->get && b->failure.code == EPIPE)
		get_distrust(b->get);
	get_cancel(b->get);
	b->get = NULL;
	finish(b);
}

static void take(struct blob *b, const void *p, size_t n)
{
	sha256_add(b->sum, p, n);
	b->received += n;
}

/* The next piece of what was kept, which is summed as if it came now. False when there is no more.
 */
static bool read_back(struct blob *b)
{
	size_t max = (size_t)MIN((uint64_t)sizeof(b->pending), b->q.size - b->received);
	ssize_t n = read(b->q.kept, b->pending, max);

	if (n <= 0)
		return false;
	take(b, b->pending, (size_t)n);
	b->at = 0;
	b->left = (size_t)n;
	tell_progress(b);
	return true;
}

static void on_room(void *arg, int what)
{
	struct blob *b = arg;
	ssize_t w;

	(void)what;
	if (b->reading_back && b->left == 0 && !read_back(b)) {
		b->reading_back = false;
		watch_change(b->room, 0);
		ask_for_rest(b);
		return;
	}
	w = put(b, b->pending + b->at, b->left);
	if (w < 0) {
		end_early(b);
		return;
	}
	b->at += (size_t)w;
	b->left -= (size_t)w;
	if (b->left > 0 || b->reading_back)
		return;
	watch_change(b->room, 0);
	if (!b->get) {
		finish(b);
	} else if (b->paused) {
		b->paused = false;
		get_resume(b->get); /* may be the blob's end: nothing behind this line */
	}
}

/* ---- from the registry ---- */

static size_t on_data(void *arg, const char *p, size_t n)
{
	struct blob *b = arg;

	if (b->left > 0) {
		b->paused = true;
		return HTTP_PAUSE;
	}
	if (n > b->q.size - b->received || n > sizeof(b->pending)) {
		err_set(&b->failure, EBADMSG, "more bytes than the %lu that its manifest says",
			b->q.size);
		return HTTP_ABORT;
	}
	take(b, p, n);
	if (b->q.kept >= 0 && fd_write_all(b->q.kept, p, n) < 0)
		fd_close(&b->q.kept); /* it was for later; a full disk ends the unpacking, too */
	if (pass_on(b, p, n) < 0)
		return HTTP_ABORT;
	tell_progress(b);
	return n;
}

static void check(struct blob *b)
{
	char got[DIGEST_TEXT_MAX];

	sha256_finish(b->sum, got);
	if (b->received != b->q.size)
		err_set(&b->failure, EBADMSG, "%lu bytes, its manifest says %lu", b->received,
			b->q.size);
	else if (strcmp(got, b->digest) != 0)
		err_set(&b->failure, EBADMSG, "digest mismatch: got %s", got);
}

static void on_get_done(void *arg, struct get *g, const struct err *failure)
{
	struct blob *b = arg;

	b->get = NULL;
	if (!b->failure.code && failure)
		b->failure = *failure;
	if (!b->failure.code)
		check(b);
	if (b->failure.code == EBADMSG || b->failure.code == EPIPE)
		get_distrust(g);
	if (b->failure.code || b->left == 0)
		finish(b);
}

/* NULL with a sentence in b->failure. */
static struct get *start_get(struct blob *b)
{
	char path[sizeof("blobs/") + DIGEST_TEXT_MAX];
	const struct get_request want = {
		.path = path,
		.on_data = on_data,
		.on_done = on_get_done,
		.arg = b,
		.size = b->q.size,
		.from = b->received,
	};

	snprintf(path, sizeof(path), "blobs/%s", b->digest);
	return get_start(b->q.session, &want, &b->failure);
}

/* What was kept has been passed on. */
static void ask_for_rest(struct blob *b)
{
	if (b->received < b->q.size && (b->get = start_get(b)))
		return;
	if (!b->failure.code)
		check(b);
	finish(b);
}

static int start(struct blob *b)
{
	b->sum = sha256_new();
	if (!b->sum)
		return err_set(&b->failure, ENOMEM, "out of memory");
	fd_set_nonblock(b->q.out, true);
	/* Only faster; fails on what is no pipe, or over the user's share (pipe(7)). */
	(void)fcntl(b->q.out, F_SETPIPE_SZ, PIPE_BYTES);
	b->reading_back = b->q.kept >= 0;
	if (b->reading_back)
		return wait_for_room(b);
	b->get = start_get(b);
	return b->get ? 0 : -b->failure.code;
}

struct blob *blob_start(struct loop *l, const struct blob_request *q, struct err *e)
{
	struct blob *b = calloc(1, sizeof(*b));
	int out = q->out, kept = q->kept;

	if (!b) {
		fd_close(&out);
		fd_close(&kept);
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	b->loop = l;
	b->q = *q;
	digest_copy(b->digest, q->digest);
	if (start(b) == 0)
		return b;
	*e = b->failure;
	blob_free(b);
	return NULL;
}
