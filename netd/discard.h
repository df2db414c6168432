/* SPDX-License-Identifier: MIT */
/*
 * Links deleted many at a time. The kernel waits once for every CPU to let go of what a request
 * deletes (synchronize_net, rcu_barrier): 20 ms and more, for one link as for many.
 */
#pragma once

#include <net/if.h>

#include "base/err.h"

/* In one request at most: the kernel holds its lock on all of the host's links as long. */
#define DISCARD_MAX 128U

struct discard {
	char names[DISCARD_MAX][IFNAMSIZ];
	unsigned int n;
};

/* Takes note of a link; deletes those noted when there are as many as go into one request. */
int discard_add(struct discard *d, const char *link, int rtnl, struct err *e);
/* Deletes those noted. Those that are gone already don't count. */
int discard_run(struct discard *d, int rtnl, struct err *e);
