/* SPDX-License-Identifier: MIT */
/*
 * The rtnetlink requests that netd makes, one function each. All return a fresh message for
 * batch_add(), or NULL when memory is out.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#include "cidr.h"

/* Connects a socket of libnl's, whose dumps then end after some seconds: libnl waits for the answer
 * also to what it could not send. 0 or -NLE_*. */
int rt_connect(struct nl_sock *sock, int protocol);

struct nl_msg *rt_link_get(const char *name);
struct nl_msg *rt_link_delete(const char *name);
struct nl_msg *rt_link_group(const char *name, uint32_t group);
/* All links of the group; -ENODEV when it has none. */
struct nl_msg *rt_group_delete(uint32_t group);
struct nl_msg *rt_links_dump(void); /* without statistics, which are most of it */
struct nl_msg *rt_link_up(int ifindex);
struct nl_msg *rt_link_down(int ifindex);
struct nl_msg *rt_link_rename(int ifindex, const char *name); /* before 6.2: of one that is down */
struct nl_msg *rt_link_master(int ifindex, int bridge);

struct rt_bridge {
	const char *name, *alias;
	const uint8_t *mac;
	uint32_t mtu; /* 0: the kernel's default */
};
/* Without spanning tree and its delays; not yet up: rt_bridge_up. */
struct nl_msg *rt_bridge_add(const struct rt_bridge *b);
/* Writes the alias, which can't be given at creation, and brings it up. */
struct nl_msg *rt_bridge_up(const struct rt_bridge *b);

struct rt_veth {
	const char *name; /* of the host's end */
	int bridge;	  /* ifindex */
	uint32_t mtu;
	int netns; /* descriptor of where the peer is made; -1: here */
	const char *peer_name;
	const uint8_t *peer_mac; /* NULL: the kernel's choice */
};
/* The pair; the host's end is in the bridge. A peer can't be made already up (-ENOTCONN). */
struct nl_msg *rt_veth_add(const struct rt_veth *v);
/* The host's end: alias, no IPv6 of its own, up. */
struct nl_msg *rt_veth_up(int ifindex, const char *alias);
/* A bridge that the host itself has nothing to do with: that, and no ARP. */
struct nl_msg *rt_annex_up(int ifindex, const char *alias);
/* The bridge port takes frames from its owner's MAC address alone, learns none, and gets none that
 * are for nobody known. With hairpin, frames may leave by the port that they came in by. */
struct nl_msg *rt_port_set(int ifindex, bool hairpin);
/* Frames for that address go to this port, for good. */
struct nl_msg *rt_port_owner(int ifindex, const uint8_t mac[6]);
struct nl_msg *rt_port_disown(int ifindex, const uint8_t mac[6]);
/* The bridge port takes frames from any address, learns none, and gets what is for nobody known. */
struct nl_msg *rt_port_outlet(int ifindex);

struct nl_msg *rt_addrs_dump(void);
/* IPv6 addresses skip duplicate address detection: they are ours to give. */
struct nl_msg *rt_addr4_add(int ifindex, uint32_t ip, unsigned int len);
struct nl_msg *rt_addr6_add(int ifindex, const struct in6_addr *ip, unsigned int len);
struct nl_msg *rt_addr4_delete(int ifindex, uint32_t ip, unsigned int len);
struct nl_msg *rt_addr6_delete(int ifindex, const struct in6_addr *ip, unsigned int len);
struct nl_msg *rt_default4_add(int ifindex, uint32_t gateway);
struct nl_msg *rt_default6_add(int ifindex, const struct in6_addr *gateway);
