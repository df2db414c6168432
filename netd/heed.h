/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of the host's links, addresses and forwarding, as far as it is about the
 * engine's own: what isn't as it should be is marked (`amiss` and `gone_at` of networks and
 * members).
 */
#pragma once

#include "base/err.h"

struct netd;

/* Readable when something was told. */
int heed_open(struct err *e);

enum {
	HEED_AMISS = 1, /* something is marked that can be put right now */
	HEED_GONE = 2,	/* a container's link is gone; mostly since the container has ended */
};
/* Reads all that has been told, and returns what is to be done. Who does something by himself in
 * several steps is told of each: what was told last counts. Doesn't block. */
unsigned int heed_read(struct netd *d, int fd);
