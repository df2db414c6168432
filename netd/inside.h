/* SPDX-License-Identifier: MIT */
/*
 * The container's side: lo, eth0, addresses and routes, through a netlink socket of its network
 * namespace. netd doesn't enter namespaces: the kernel judges such requests by the socket's opener,
 * root of the container's user namespace, and by the sender, whose NET_ADMIN on the host holds in
 * every user namespace below (netlink_ns_capable()).
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "base/err.h"

struct inside_want {
	int ifindex; /* of eth0 */
	uint32_t ip4, gateway4;
	unsigned int len4;
	struct in6_addr ip6, gateway6;
	unsigned int len6; /* 0: no IPv6 */
};

/* Refuses what isn't a NETLINK_ROUTE socket, and with netns >= 0 one of another network namespace.
 */
int inside_check(int rtnl, int netns, struct err *e);

int inside_setup(int rtnl, const struct inside_want *want, struct err *e);
int inside_loopback(int rtnl, struct err *e);

/* For debug runs without the container's help: a NETLINK_ROUTE socket opened by going into the
 * namespace and coming back. Takes SYS_ADMIN, which netd has with --enter-netns alone. */
int inside_open(int netns, struct err *e);
