/* SPDX-License-Identifier: MIT */
/*
 * Channels on the event loop; see chan.h. Everything that a peer can do wrong ends in chan_lost().
 */
#include "chan_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define FRAMES_PER_TURN 32 /* then others have their turn */

static void pending_free(struct pending *p)
{
	watch_free(p->timer);
	free(p);
}

/* May self ask peer anything at all? Then it never stops listening to it: two that wait for each
 * other to read would wait for ever. Who asks whom has no cycle. */
static bool asks(enum role self, enum role peer)
{
	for (uint32_t i = 0; i <= MSG_NUMBER_MAX; i++) {
		const struct msg_row *row = msg_row(i);

		if (row && row->kind == REQUEST && row->from & self && row->to & peer)
			return true;
	}
	return false;
}

struct chan *chan_alloc(struct loop *l, int fd, const struct chan_setup *setup)
{
	struct chan *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = l;
	c->fd = fd;
	c->setup = *setup;
	c->asks = asks(setup->self, setup->peer);
	if (c->setup.asked_max == 0)
		c->setup.asked_max = CHAN_ASKED_MAX;
	/* A channel may outlive the process that used it before: late answers to that one's
	 * requests must not look like answers to ours. */
	if (getrandom(&c->next_id, sizeof(c->next_id), GRND_NONBLOCK) < 0)
		c->next_id = (uint32_t)time_now_ns();
	return c;
}

static void chan_free(struct chan *c)
{
	watch_free(c->watch);
	watch_free(c->closer);
	chan_queue_clear(&c->out);
	if (c->text) {
		free(c->text->line);
		free(c->text);
	} else {
		fd_close(&c->fd);
	}
	free(c);
}

static void fail_pending(struct chan *c)
{
	struct err gone;

	err_set(&gone, ECONNRESET, "the %s process is gone", role_name(c->setup.peer));
	while (c->pending) {
		struct pending *p = c->pending;

		c->pending = p->next;
		p->fn(p->arg, NULL, NULL, p->failure.code ? &p->failure : &gone);
		pending_free(p);
	}
}

/* Frees now, or when the last callback that runs on this channel has returned. What those asked on
 * the dead channel fails first: its timers point here. */
static void chan_release(struct chan *c)
{
	if (c->busy > 0)
		return;
	c->busy++;
	fail_pending(c);
	c->busy--;
	chan_free(c);
}

void chan_close(struct chan *c)
{
	if (!c || c->dead)
		return;
	c->dead = true;
	watch_free(c->watch);
	c->watch = NULL;
	c->busy++;
	fail_pending(c);
	c->busy--;
	chan_release(c);
}

void chan_lost(struct chan *c)
{
	if (c->dead)
		return;
	c->dead = true;
	watch_free(c->watch);
	c->watch = NULL;
	c->busy++;
	fail_pending(c);
	if (c->setup.on_close)
		c->setup.on_close(c->setup.arg, c);
	c->busy--;
	chan_release(c);
}

static struct pending *pending_take(struct chan *c, uint32_t id)
{
	for (struct pending **pp = &c->pending; *pp; pp = &(*pp)->next) {
		struct pending *p = *pp;

		if (p->id != id)
			continue;
		*pp = p->next;
		return p;
	}
	return NULL;
}

/* It may be late, or meant for the process that used this channel before us. */
static int dispatch_stray(struct chan *c, const struct frame *f, struct err *e)
{
	if (!c->asks)
		return err_set(e, EBADMSG, "%s: nothing was asked", msg_name(f->type));
	if (!c->strays)
		log_warn("%s: %s answers what nobody waits for", role_name(c->setup.peer),
			msg_name(f->type));
	c->strays = true;
	return 0;
}

/* An answer to a request of ours. */
static int dispatch_reply(struct chan *c, struct frame *f, void *obj, struct err *e)
{
	struct pending *p = pending_take(c, f->id);
	int r;

	if (!p)
		return dispatch_stray(c, f, e);
	if (f->type != MSG_failed && f->type != p->reply)
		r = err_set(e, EBADMSG, "%s answers something else", msg_name(f->type));
	else
		r = frame_decode(f, obj, e);
	if (r < 0) {
		p->fn(p->arg, NULL, NULL, e);
	} else if (f->type == MSG_failed) {
		const struct failed *m = obj;
		struct err why;

		err_set(&why, m->code ? (int)m->code : EIO, "%s", m->text);
		p->fn(p->arg, NULL, NULL, &why);
	} else {
		p->fn(p->arg, obj, f, NULL);
	}
	pending_free(p);
	return r;
}

static const struct handler *find_handler(const struct chan *c, enum msg_type type)
{
	for (const struct handler *h = c->setup.handlers; h && h->fn; h++)
		if (h->type == type)
			return h;
	return NULL;
}

/* Counts a request; false when it is one too many, which has been answered then. */
static bool count_request(struct chan *c, const struct frame *f)
{
	static const struct err busy = {
		EBUSY, "too many requests at once; wait for the answers to some of them"};

	if (msg_row(f->type)->kind != REQUEST)
		return true;
	if (c->asked++ < c->setup.asked_max)
		return true;
	chan_fail(c, f->id, &busy);
	return false;
}

int chan_dispatch(struct chan *c, struct frame *f, struct err *e)
{
	_cleanup_free_ void *obj = NULL;
	const struct handler *h;
	int r = frame_check(f, c->setup.peer, c->setup.self, e);

	if (r < 0)
		return r;
	obj = malloc(msg_row(f->type)->schema->size);
	if (!obj)
		return err_set(e, ENOMEM, "out of memory");
	if (msg_row(f->type)->kind == REPLY)
		return dispatch_reply(c, f, obj, e);
	r = frame_decode(f, obj, e);
	if (r < 0)
		return r;
	h = find_handler(c, f->type);
	if (!h)
		return err_set(e, EBADMSG, "%s: not handled here", msg_name(f->type));
	if (count_request(c, f) && (!c->setup.admit || c->setup.admit(c->setup.arg, c, f->id)))
		h->fn(c->setup.arg, c, f->id, obj, f);
	return c->refused && !c->text ? -EBADMSG : 0;
}

static bool paused(const struct chan *c)
{
	return c->out.first && !c->asks;
}

static void on_deaf(void *arg)
{
	chan_lost(arg);
}

/* A channel that nobody would hear any more is as good as lost. */
static void rearm(struct chan *c)
{
	int what = (paused(c) ? 0 : LOOP_READ) | (c->out.first ? LOOP_WRITE : 0);

	if (watch_change(c->watch, what) < 0 && !c->closer)
		c->closer = loop_timer(c->loop, 0, on_deaf, c);
}

static void flush(struct chan *c)
{
	int r = chan_queue_send(&c->out, c->fd);

	if (r == 0)
		rearm(c);
	else if (r != -EAGAIN)
		chan_lost(c);
}

static void log_drop(const struct chan *c, int code, const struct err *e)
{
	if (code != -ENODATA && code != -ECONNRESET && !c->refused)
		log_warn("dropping %s: %s", role_name(c->setup.peer),
			e->code ? e->text : strerrordesc_np(-code));
}

static void on_ready(void *arg, int what)
{
	struct chan *c = arg;

	c->busy++;
	if (c->refused)
		chan_lost(c);
	else if (what & LOOP_WRITE)
		flush(c);
	for (int i = 0; i < FRAMES_PER_TURN && what & LOOP_READ && !c->dead && !paused(c); i++) {
		struct err e = {0};
		struct frame f;
		int r = frame_recv(c->fd, &f, &e);

		if (r == -EAGAIN)
			break;
		if (r == 0) {
			r = chan_dispatch(c, &f, &e);
			frame_free(&f);
		}
		if (r < 0) {
			log_drop(c, r, &e);
			chan_lost(c);
		}
	}
	c->busy--;
	if (c->dead)
		chan_release(c);
}

struct chan *chan_open(struct loop *l, int fd, const struct chan_setup *setup)
{
	struct chan *c = chan_alloc(l, fd, setup);

	if (!c)
		return NULL;
	fd_set_nonblock(fd, true);
	fd_set_cloexec(fd, true);
	c->watch = loop_fd(l, fd, LOOP_READ, on_ready, c);
	if (!c->watch) {
		c->fd = -1;
		chan_free(c);
		return NULL;
	}
	return c;
}

void chan_set_data(struct chan *c, void *data)
{
	c->data = data;
}

void *chan_data(struct chan *c)
{
	return c->data;
}

void chan_refuse(struct chan *c, const char *why)
{
	log_warn("dropping %s: %s", role_name(c->setup.peer), why);
	c->refused = true;
}

struct loop *chan_loop(struct chan *c)
{
	return c->loop;
}

unsigned int chan_unread(const struct chan *c)
{
	return c->out.n;
}

static void on_refused(void *arg)
{
	chan_lost(arg);
}

/* From the loop, later: callers' objects must not vanish under them here. */
static int drop_slow(struct chan *c)
{
	if (!c->refused)
		chan_refuse(c, "it does not read what it is sent");
	if (!c->closer)
		c->closer = loop_timer(c->loop, 0, on_refused, c);
	return -ECONNRESET;
}

/* Keeps a frame until the peer reads again. */
static int enqueue(struct chan *c, struct frame_out *f)
{
	int r = chan_queue_add(&c->out, f);

	if (r == -ENOBUFS)
		return drop_slow(c);
	if (r == 0)
		rearm(c);
	return r;
}

static int chan_send(
	struct chan *c, enum msg_type type, uint32_t id, const void *msg, struct err *e)
{
	struct frame_out f = {0};
	int r;

	if (c->dead)
		return err_set(e, ECONNRESET, "the %s process is gone", role_name(c->setup.peer));
	if (c->text) {
		chan_text_print(c, type, msg);
		return 0;
	}
	r = frame_encode(type, id, msg, &f, e);
	if (r < 0)
		return r;
	r = c->out.first ? -EAGAIN : frame_send_raw(c->fd, f.buf, f.len, f.fds.v, f.fds.n);
	if (r == -EAGAIN)
		r = enqueue(c, &f);
	free(f.buf);
	/* A lost peer is noticed by the loop; callers' objects must not vanish under them here. */
	if (r == -EPIPE || r == -ECONNRESET)
		return err_set(e, ECONNRESET, "the %s process is gone", role_name(c->setup.peer));
	return r < 0 ? err_errno(e, r, "sending %s to %s", msg_name(type), role_name(c->setup.peer))
		     : 0;
}

static void on_deadline(void *arg)
{
	struct pending *p = arg;
	struct chan *c = p->chan;

	if (!pending_take(c, p->id))
		return;
	if (!p->failure.code)
		err_set(&p->failure, ETIMEDOUT, "no answer from %s in time",
			role_name(c->setup.peer));
	c->busy++;
	p->fn(p->arg, NULL, NULL, &p->failure);
	pending_free(p);
	c->busy--;
	if (c->dead)
		chan_release(c);
}

uint32_t chan_request(struct chan *c, enum msg_type type, const void *msg, unsigned int deadline_ms,
	reply_fn fn, void *arg)
{
	struct pending *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		log_error("out of memory");
		abort();
	}
	*p = (struct pending){.next = c->pending,
		.id = c->next_id++,
		.reply = msg_row(type)->reply,
		.fn = fn,
		.arg = arg,
		.chan = c};
	c->pending = p;
	r = chan_send(c, type, p->id, msg, &p->failure);
	if (r == 0 && c->text)
		r = err_set(
			&p->failure, ENOTCONN, "%s: nobody answers in a debug run", msg_name(type));
	if (r < 0)
		p->timer = loop_timer(c->loop, 0, on_deadline, p);
	else if (deadline_ms > 0)
		p->timer = loop_timer(c->loop, deadline_ms, on_deadline, p);
	return p->id;
}

void chan_forget(struct chan *c, void *arg)
{
	for (struct pending **pp = &c->pending; *pp;) {
		struct pending *p = *pp;

		if (p->arg != arg) {
			pp = &p->next;
			continue;
		}
		*pp = p->next;
		pending_free(p);
	}
}

void chan_reply(struct chan *c, uint32_t id, enum msg_type type, const void *msg)
{
	struct err e = {0};
	int r = chan_send(c, type, id, msg, &e);

	if (r < 0 && r != -ECONNRESET && r != -EPIPE) {
		log_warn("%s", e.text);
		if (type != MSG_failed) {
			chan_fail(c, id, &e);
			return;
		}
	}
	if (c->asked > 0)
		c->asked--;
	if (c->text && msg_row(type)->kind == REPLY)
		chan_text_answered(c);
}

void chan_done(struct chan *c, uint32_t id)
{
	struct done m = {0};

	chan_reply(c, id, MSG_done, &m);
}

void chan_fail(struct chan *c, uint32_t id, const struct err *e)
{
	struct failed m = {.code = (uint32_t)(e->code ? e->code : EIO), .text = e->text};

	chan_reply(c, id, MSG_failed, &m);
}

void chan_event(struct chan *c, enum msg_type type, uint32_t id, const void *msg)
{
	struct err e = {0};

	if (chan_send(c, type, id, msg, &e) < 0 && !c->dead)
		log_warn("%s", e.text);
}
