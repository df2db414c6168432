/* SPDX-License-Identifier: MIT */
/*
 * The shim's end of its channel to the supervisor: frames on fd 3, or text lines with --debug.
 */
#pragma once

#include <stdbool.h>

#include "frame.h"

struct channel {
	bool text;
	int fd;	    /* to read from */
	char *line; /* text that has come without its line end */
	size_t n;
	uint32_t next_id;
};

/* Prepares the standard streams or fd 3. */
int channel_open(struct channel *c, bool text, struct err *e);

/* One message. 0, -EAGAIN (nothing whole yet), -ENODATA (the peer is gone), or -EBADMSG and kin
 * with a sentence; after those a text channel can be used on, others can't. */
int channel_recv(struct channel *c, struct frame *ret, struct err *e);

/* True when channel_recv may have more without the descriptor being readable. */
bool channel_more(const struct channel *c);

/* Failures are logged: there is nobody else to tell. */
void channel_send(struct channel *c, enum msg_type type, uint32_t id, const void *msg);
void channel_done(struct channel *c, uint32_t id);
void channel_failed(struct channel *c, uint32_t id, const struct err *why);
