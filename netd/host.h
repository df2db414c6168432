/* SPDX-License-Identifier: MIT */
/*
 * What the host's network namespace holds, as far as netd asks: links, addresses, routes. A
 * snapshot, taken when a network is set up; never kept.
 */
#pragma once

#include <netlink/cache.h>
#include <netlink/route/link.h>

#include "cidr.h"

struct host {
	struct nl_sock *sock;
	struct nl_cache *links, *addrs, *routes;
};

int host_read(struct host *ret, struct err *e);
void host_free(struct host *h); /* accepts a zeroed one */
#define _cleanup_host_ _cleanup_(host_free)

/* The link of that name; NULL when there is none. Lives as long as the snapshot. */
struct rtnl_link *host_link(const struct host *h, const char *name);

/* Each link whose master is `bridge`. */
void host_each_port(
	const struct host *h, int bridge, void (*fn)(void *arg, struct rtnl_link *l), void *arg);

/* Is there any bridge at all? */
bool host_has_bridge(const struct host *h);

/* Is the subnet free? Routes and addresses of the link `own` (0: none) don't count, nor do default
 * routes or the two halves (/1) that some VPNs use in their place. -EADDRINUSE names what is in the
 * way. */
int host_free4(const struct host *h, int own, struct cidr4 want, struct err *e);
int host_free6(const struct host *h, int own, const struct cidr6 *want, struct err *e);

/* The first address of the family on the link, and its prefix length; with `near`, the first whose
 * subnet that lies in. False when none; IPv6's link-local ones don't count. */
bool host_addr4(
	const struct host *h, int ifindex, uint32_t near, uint32_t *ret, unsigned int *ret_len);
bool host_addr6(const struct host *h, int ifindex, const struct in6_addr *near,
	struct in6_addr *ret, unsigned int *ret_len);
