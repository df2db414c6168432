/* SPDX-License-Identifier: MIT */
/*
 * The shim's event loop is one epoll set of these. A static program of 150 kB has no room for
 * libevent.
 */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

struct source {
	int fd; /* -1: closed */
	void (*fn)(struct source *s, uint32_t events);
	void *owner;
};

/* Watches fd, which the source owns from now on. 0 or -errno. */
int source_open(struct source *s, int epoll, int fd, uint32_t events,
	void (*fn)(struct source *, uint32_t), void *owner);

/* No events at all until source_set; epoll would go on reporting hang-ups. */
void source_pause(struct source *s, int epoll);

/* events 0 still reports errors and hang-up. */
void source_set(struct source *s, int epoll, uint32_t events);

/* Closes the descriptor; a closed source is left alone. Safe inside its own callback. */
void source_close(struct source *s, int epoll);
