/* SPDX-License-Identifier: MIT */
/*
 * A look at the host: its links and their addresses, all at one time. Kept no longer than it takes
 * to compare them with what should be.
 */
#pragma once

#include "rt_read.h"

struct look_link {
	struct rt_link l;
	char container[NAMES_ID_MAX + 1]; /* whose it is by its alias; "" when not the engine's */
	bool known; /* the caller's: somebody has been found to whom it belongs */
};

struct look {
	struct look_link *links; /* by name */
	struct rt_addr *addrs;	 /* in no order */
	size_t n_links, n_addrs, room_links, room_addrs;
	const char *engine;
	bool no_memory;
};

int look_read(const char *engine, struct look *ret, struct err *e);
void look_free(struct look *l); /* accepts a zeroed one */
#define _cleanup_look_ _cleanup_(look_free)

/* NULL when there is none. */
struct look_link *look_named(const struct look *l, const char *name);
/* A veth whose alias says that it is the container's and that isn't `known` yet. */
struct look_link *look_of(const struct look *l, const char *container);
bool look_has4(const struct look *l, int ifindex, uint32_t ip, unsigned int len);
bool look_has6(const struct look *l, int ifindex, const struct in6_addr *ip, unsigned int len);
