/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of a link or an address, as far as netd asks.
 */
#pragma once

#include <netlink/msg.h>

#include "cidr.h"
#include "names.h"

struct rt_link {
	int ifindex, master; /* 0: none */
	int peer;	     /* ifindex of a veth's other end, in its own network namespace */
	bool up, noarp, veth, bridge;
	/* Of a bridge port. open: not as rt_port_set leaves it; outlet: as rt_port_outlet does. */
	bool hairpin, open, outlet;
	char name[IFNAMSIZ];
	char alias[NAMES_ALIAS_MAX]; /* "" when it has none */
};

/* Of a RTM_NEWLINK or RTM_DELLINK; false when it is neither, or not of AF_UNSPEC: what bridges say
 * of their ports has another form. */
bool rt_link_read(struct nlmsghdr *h, struct rt_link *ret);

struct rt_addr {
	int ifindex;
	bool six;
	uint32_t ip4;
	struct in6_addr ip6;
	unsigned int len;
};

/* Of a RTM_NEWADDR or RTM_DELADDR, IPv4 or IPv6. */
bool rt_addr_read(struct nlmsghdr *h, struct rt_addr *ret);
