/* SPDX-License-Identifier: MIT */
/*
 * One layer of a pull: a pipe from the fetch worker to an unpack worker, and the judgement over
 * what both report. Neither is believed alone: the fetch worker vouches for the blob's digest, the
 * unpack worker for the diff id, and the image's config says which belong together.
 */
#include "pull_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../proto/base/fd.h"
#include "../proto/base/log.h"

#define PIPE_BYTES (1 << 20)
#define STALL_MS   120000 /* without a byte */
#define CAUSE_MS   1000	  /* for the fetch worker to say why the stream ended */
#define STALL_STEP 65536  /* fewer bytes don't put it off; a fetch worker gives up at 1 KB/s */
#define TELL_MS	   50

bool job_running(const struct job *j)
{
	return j->fetching || j->unpacking;
}

/* When one end of the pipe fails, so does the other: the reader sees a truncated stream, the writer
 * a broken pipe. The writer's word counts unless it is just that. */
static struct err *first_cause(struct job *j)
{
	if (j->fetch_failure.code && (j->fetch_failure.code != EPIPE || !j->unpack_failure.code))
		return &j->fetch_failure;
	return j->unpack_failure.code ? &j->unpack_failure : NULL;
}

static int job_store(struct job *j, struct err *e)
{
	struct layer found = *j->layer;
	int r;

	if (strcmp(j->diff_id, j->layer->diff_id) != 0)
		return err_set(e, EBADMSG, "content does not match its diff id");
	r = store_has_layer(j->pull->all->store, j->layer, e);
	if (r != 0) { /* another pull was faster */
		store_layer_abort(j->pull->all->store, j->tmp);
		return MIN(r, 0);
	}
	found.opaque = j->opaque;
	found.implied = j->implied;
	return store_layer_commit(j->pull->all->store, j->tmp, j->image_bytes, &found, e);
}

/* Bytes that are not the blob's, as its digest or, before that could be known, unpacking has found:
 * what lies on the way may have spoilt them, and do better the next time. */
static bool bytes_were_wrong(const struct job *j)
{
	if (j->fetch_failure.code == EPIPE)
		return j->unpack_failure.code == EBADMSG;
	return j->fetch_failure.code == EBADMSG;
}

static void job_failed(struct job *j, struct err *why)
{
	struct pull *p = j->pull;

	store_layer_abort(p->all->store, j->tmp);
	if (p->state != PULL_FAILED && (why->code == ENOSPC || why->code == EDQUOT) &&
		pull_partials_yield(p))
		return;
	if (p->state != PULL_FAILED && !j->again && bytes_were_wrong(j)) {
		log_info("layer %.19s: %s; fetching it once more", j->layer->digest, why->text);
		store_partial_drop(p->all->store, j->layer->digest);
		j->again = true;
		return;
	}
	err_prefix(why, "layer %.19s", j->layer->digest);
	pull_fail(p, why);
}

static void job_done(struct job *j)
{
	j->state = JOB_DONE;
	j->pull->fetched = true;
	pull_progress(j->pull, j, j->layer->size);
}

/* Both workers have answered. */
static void job_end(struct job *j)
{
	struct pull *p = j->pull;
	struct err *cause = first_cause(j), e = {0};

	watch_free(j->stall);
	j->stall = NULL;
	j->state = JOB_WAITING;
	if (!cause && p->state != PULL_FAILED && job_store(j, &e) < 0)
		cause = &e;
	if (cause)
		job_failed(j, cause);
	else if (p->state == PULL_FAILED)
		store_layer_abort(p->all->store, j->tmp);
	else
		job_done(j);
	pulls_kick(p->all);
}

/* The worker names the layer at full length; here it is named for both workers alike. */
static void note_fetch_failure(struct job *j, const struct err *e)
{
	char name[sizeof("layer : ") + DIGEST_TEXT_LEN];
	size_t n = (size_t)snprintf(name, sizeof(name), "layer %s: ", j->layer->digest);
	bool named = strncmp(e->text, name, n) == 0;

	err_set(&j->fetch_failure, e->code, "%s", named ? e->text + n : e->text);
}

static void on_fetched(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct job *j = arg;

	(void)msg;
	(void)f;
	j->fetching = false;
	if (e)
		note_fetch_failure(j, e);
	if (!j->unpacking)
		job_end(j);
}

static void on_unpacked(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct unpacked_layer *m = msg;
	struct job *j = arg;

	(void)f;
	j->unpacking = false;
	worker_put(j->unpacker);
	j->unpacker = NULL;
	if (e && e->code == ECONNRESET) {
		err_set(&j->unpack_failure, e->code, "the unpack worker has ended unexpectedly");
	} else if (e) {
		j->unpack_failure = *e;
	} else {
		if (!digest_copy(j->diff_id, m->diff_id))
			*j->diff_id = '\0';
		j->opaque = m->root_opaque;
		j->implied = m->implied;
		j->image_bytes = m->image_bytes;
	}
	if (!j->fetching)
		job_end(j);
	else if (j->unpack_failure.code)
		timer_again(j->stall, CAUSE_MS);
}

static void on_stall(void *arg)
{
	struct job *j = arg;
	struct err e = j->unpack_failure;

	if (!e.code)
		err_set(&e, ETIMEDOUT, "no data for %d seconds", STALL_MS / 1000);
	err_prefix(&e, "layer %.19s", j->layer->digest);
	pull_fail(j->pull, &e);
}

static int open_pipe(int ends[2], struct err *e)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, errno, "making a pipe");
	/* Larger is faster, and not needed: the default does when the user's pages are used up. */
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

/* Hands out the descriptors; ours are closed by the caller, so that an end of file is seen. */
static void job_send(struct job *j, const int ends[2], int out)
{
	struct pull *p = j->pull;
	_cleanup_fd_ int kept = pull_partial_open(p, j->layer);
	MSG_DECLARE(fetch_blob, fetch);
	MSG_DECLARE(unpack_layer, unpack);

	unpack.in = ends[0];
	unpack.out = out;
	fetch.session = p->session;
	fetch.digest = j->layer->digest;
	fetch.size = j->layer->size;
	fetch.out = ends[1];
	fetch.kept = kept;
	j->state = JOB_RUNNING;
	j->fetch_failure.code = j->unpack_failure.code = 0;
	j->bytes = j->counted = j->paced = j->told_ns = 0;
	j->fetching = j->unpacking = true;
	chan_request(worker_chan(j->unpacker), MSG_unpack_layer, &unpack, 0, on_unpacked, j);
	j->fetch_id =
		chan_request(worker_chan(p->fetcher), MSG_fetch_blob, &fetch, 0, on_fetched, j);
	j->stall = loop_timer(p->all->loop, STALL_MS, on_stall, j);
}

void job_start(struct job *j)
{
	int ends[2] = {-1, -1}, out = -1;
	struct err e;

	j->unpacker = workers_get(j->pull->all->workers, WORKER_UNPACK);
	if (!j->unpacker)
		return;
	if (open_pipe(ends, &e) == 0)
		out = store_layer_begin(j->pull->all->store, j->layer->digest, j->tmp, &e);
	if (out >= 0) {
		job_send(j, ends, out);
		pull_progress(j->pull, j, 0);
	} else {
		worker_put(j->unpacker);
		j->unpacker = NULL;
		err_prefix(&e, "layer %.19s", j->layer->digest);
		pull_fail(j->pull, &e);
	}
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	fd_close(&out);
}

void job_kill(struct job *j)
{
	/* Each kill fails the request, whose callback puts the worker back first. */
	if (j->unpacking)
		worker_kill(j->unpacker);
	if (j->fetching && j->pull->fetcher)
		worker_kill(j->pull->fetcher);
}

/* A worker that says so for ever, or a thousand times a second, gets nowhere by that. */
static void job_progress(struct job *j, uint64_t bytes)
{
	uint64_t now = time_mono_ns();

	if (bytes <= j->bytes || bytes > j->layer->size)
		return;
	j->bytes = bytes;
	if (j->unpacking && (bytes - j->counted >= STALL_STEP || bytes == j->layer->size)) {
		timer_again(j->stall, STALL_MS);
		j->counted = bytes;
	}
	if (now - j->told_ns < TELL_MS * 1000000ULL)
		return;
	j->told_ns = now;
	pulls_progress(j, bytes);
}

void job_on_progress(struct pulls *all, uint32_t fetch_id, uint64_t bytes)
{
	for (struct pull *p = all->first; p; p = p->next)
		for (uint32_t i = 0; p->jobs && i < p->image.layers.n; i++) {
			struct job *j = &p->jobs[i];

			if (j->fetching && j->fetch_id == fetch_id) {
				job_progress(j, bytes);
				return;
			}
		}
}
