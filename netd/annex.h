/* SPDX-License-Identifier: MIT */
/*
 * Further bridges of a network: the kernel gives a bridge 1,023 ports (BR_MAX_PORTS), and a
 * broadcast on it goes to each of them through a queue of 1,000 (net.core.netdev_max_backlog). An
 * annex is made for those who find no room on the network's own bridge, and joined with that by a
 * veth pair: `down` is a port of the network's bridge, `up` one of the annex. The host's addresses
 * are on the network's bridge alone.
 *
 * As with containers, no port learns an address. On the network's bridge those of an annex's
 * containers are bound to `down`; on the annex, what is for none of its own leaves by `up`.
 */
#pragma once

#include "discard.h"
#include "look.h"
#include "network.h"

struct host;
struct netd;

/* Of the network, one whose bridge is yet to be made; NULL when memory is out. */
struct annex *annex_new(struct network *n, const char *engine);
/* The annex whose bridge that is; NULL when none. */
struct annex *annex_of(const struct network *n, int bridge);
/* With the network: those that the host has. */
int annex_adopt(struct network *n, const char *engine, const struct host *h, struct err *e);
/* Is it one of the links that annexes are made of? */
bool annex_has(const struct network *n, int ifindex);
/* Nobody may be on it. Leaves the kernel alone. */
void annex_free(struct network *n, struct annex *a);

/* Compares bridge and pair with a look just taken, and makes what is missing. 1 when there was
 * something to do. */
int annex_mend(
	struct netd *d, struct network *n, struct annex *a, const struct look *look, struct err *e);
/* The same with a look of its own, where it isn't known to be right. */
int annex_ready(struct netd *d, struct network *n, struct annex *a, struct err *e);

/* The network's bridge has the member's address behind the pair: 0 also for one on that bridge. */
int annex_owner(const struct netd *d, const struct member *m, struct err *e);
/* The member is about to leave, or isn't where it was thought to be. */
void annex_disown(const struct netd *d, const struct member *m);

/* Its links, as far as they are there. */
int annex_discard(const struct annex *a, struct discard *to, int rtnl, struct err *e);
/* Removes those that are empty, in a while; unless somebody joins meanwhile. */
void annex_idle(struct netd *d);

/* Is the link one of the kernel's three of an annex? Marks it when it isn't as it should be. */
bool annex_heed(struct network *n, const struct rt_link *l, bool gone);
