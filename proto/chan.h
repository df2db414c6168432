/* SPDX-License-Identifier: MIT */
/*
 * A channel: frames on a socket, on the event loop, with requests, replies and deadlines.
 *
 * Order of checks on receipt: length, known type, sender and receiver roles, descriptors, decode,
 * then the handler. A peer that breaks a rule is logged and its channel closed. One that does not
 * read its answers is not listened to until it does, unless we ask it things too; what waits for a
 * peer is bounded, and one that lets more pile up is dropped. Handlers get a
 * decoded message that is valid until they return; they take descriptors with frame_take_fd().
 */
#pragma once

#include <sys/types.h>

#include "base/loop.h"
#include "frame.h"

struct chan;

/* A row of a program's dispatch table; ends with {0}. For a REQUEST, the handler must answer `id`
 * exactly once, now or later, by chan_reply, chan_done or chan_fail. */
struct handler {
	enum msg_type type;
	void (*fn)(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f);
};

struct chan_setup {
	enum role self, peer;
	const struct handler *handlers;
	void *arg; /* handed to handlers and on_close as `self` */
	/* The peer is gone or was dropped. Requests of ours still waiting have failed by then. The
	 * channel is freed after this returns. May be NULL. */
	void (*on_close)(void *self, struct chan *c);
	/* Asked before each handler. False: the frame is not handled; a request has been answered,
	 * or the channel closed. May be NULL. */
	bool (*admit)(void *self, struct chan *c, uint32_t id);
	unsigned int asked_max; /* requests of the peer under way at once; 0: CHAN_ASKED_MAX */
};
#define CHAN_ASKED_MAX 4096 /* the next ones fail with EBUSY */

/* Takes over fd (made non-blocking). Returns NULL when memory is out. */
struct chan *chan_open(struct loop *l, int fd, const struct chan_setup *setup);

/* For a handler: the peer has broken a rule that the table can't tell. It is logged and dropped
 * once the handler has returned; on_close is called. */
void chan_refuse(struct chan *c, const char *why);

/* Closes and frees; waiting requests of ours fail with -ECONNRESET; on_close is not called. NULL is
 * fine. Safe inside a handler of this channel. */
void chan_close(struct chan *c);

/* A word that the owner may hang on a channel (ctl sessions). */
void chan_set_data(struct chan *c, void *data);
void *chan_data(struct chan *c);
struct loop *chan_loop(struct chan *c);
/* Frames that the peer has not taken yet. */
unsigned int chan_unread(const struct chan *c);

/* Called once: with reply and frame, or with msg NULL and the error. */
typedef void (*reply_fn)(void *arg, void *msg, struct frame *f, const struct err *e);

/* Sends a request. deadline in ms (0: none). On failure to send, fn is called from the loop, later,
 * never from inside. Descriptors in msg are borrowed and may be closed on return. Returns the
 * request's id, which events that belong to it carry. */
uint32_t chan_request(struct chan *c, enum msg_type type, const void *msg, unsigned int deadline_ms,
	reply_fn fn, void *arg);

/* Forgets a request of ours by its arg: fn will not be called. */
void chan_forget(struct chan *c, void *arg);

void chan_reply(struct chan *c, uint32_t id, enum msg_type type, const void *msg);
void chan_done(struct chan *c, uint32_t id);
void chan_fail(struct chan *c, uint32_t id, const struct err *e);
void chan_event(struct chan *c, enum msg_type type, uint32_t id, const void *msg);

/* The debug form: reads text lines from in_fd, dispatches them as if `peer` had sent them, prints
 * what the daemon says to out_fd, one line a message (text.h). on_close is called at end of input
 * once every request has been answered. */
struct chan *chan_open_text(struct loop *l, int in_fd, int out_fd, const struct chan_setup *setup);
