/* SPDX-License-Identifier: MIT */
/*
 * What chan.c and its text form share. Not for users of channels.
 */
#pragma once

#include "chan.h"
#include "chan_queue.h"

struct pending {
	struct pending *next;
	uint32_t id;
	enum msg_type reply;
	reply_fn fn;
	void *arg;
	struct chan *chan;
	struct watch *timer;
	struct err failure; /* to be told at the next turn of the loop */
};

struct text_form {
	int out_fd;
	char *line; /* input not yet ended by a newline */
	size_t len;
	uint32_t unanswered, next_id;
	bool ended;
};

struct chan {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct chan_setup setup;
	uint32_t next_id;
	struct pending *pending;
	struct chan_queue out;
	uint32_t asked;	   /* requests of the peer that wait for their answer */
	bool asks;	   /* we ask this peer things: it must always be listened to */
	bool strays;	   /* it has answered what nobody waits for */
	bool refused;	   /* by a handler */
	unsigned int busy; /* depth of callbacks that may still use this */
	bool dead;
	void *data;
	struct text_form *text; /* NULL: a socket */
	struct watch *closer;	/* ends the channel at the next turn of the loop */
};

/* Checks, decodes and hands one frame to its handler or its waiting request. 0 or -EBADMSG. */
int chan_dispatch(struct chan *c, struct frame *f, struct err *e);
/* The peer is gone or dropped. */
void chan_lost(struct chan *c);
struct chan *chan_alloc(struct loop *l, int fd, const struct chan_setup *setup);

void chan_text_print(struct chan *c, enum msg_type type, const void *msg);
void chan_text_answered(struct chan *c);
