/* SPDX-License-Identifier: MIT */
/*
 * What waits to be sent on a channel whose peer does not read just now.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

/* What may wait for a slow peer before it is dropped. */
#define CHAN_QUEUE_MAX	 4096 /* frames */
#define CHAN_QUEUE_BYTES (8U << 20)
#define CHAN_QUEUE_FDS	 4096

struct outgoing;

/* Zeroes are an empty one. */
struct chan_queue {
	struct outgoing *first, *last;
	uint32_t n, fds;
	size_t bytes;
};

/* Takes f's bytes, and duplicates of its descriptors, which were lent. 0, -ENOMEM, -EMFILE, or
 * -ENOBUFS when too much waits already; f keeps its bytes then. */
int chan_queue_add(struct chan_queue *q, struct frame_out *f);
/* Sends what it can. 0 when nothing waits any more, -EAGAIN when the peer's side is full, or what
 * frame_send_raw() says of a peer that is gone. */
int chan_queue_send(struct chan_queue *q, int fd);
void chan_queue_clear(struct chan_queue *q);
