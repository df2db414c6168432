/* SPDX-License-Identifier: MIT */
/*
 * A container's link to its bridge: a veth pair, one end on the host, the other made in the
 * container's network namespace as eth0.
 */
#pragma once

#include "rt_read.h"

#define VETH_INSIDE "eth0"

struct veth_want {
	const char *name, *alias; /* of the host's end */
	int bridge;		  /* ifindex */
	uint32_t mtu;		  /* 0: the kernel's default */
	int netns;		  /* borrowed */
	uint8_t mac[6];		  /* of the end inside */
	bool hairpin; /* the container may reach itself by a port published on the host */
};

/* Makes the pair and brings the host's end up. A leftover of that name on the same bridge is
 * replaced. *ret is the host's end as it was made; ret->peer the ifindex of the end inside, which
 * is still down. Nothing is left after a failure. */
int veth_make(int rtnl, const struct veth_want *want, struct rt_link *ret, struct err *e);

/* Is the host's end, but for what the kernel doesn't tell of it, what was asked for? */
bool veth_is_as(const struct rt_link *is, const struct veth_want *want);
/* Makes it so; `netns` and `mtu` don't count. */
int veth_mend(int rtnl, const struct veth_want *want, const struct rt_link *is, struct err *e);
/* What the kernel doesn't tell: the bridge has the address on this port. */
int veth_owner(int rtnl, int ifindex, const uint8_t mac[6], struct err *e);

/* Deletes the host's end, and with it the other; 0 also when there is none. Takes the kernel 20 ms
 * and more, since it waits for every CPU to let go of the device (synchronize_net, rcu_barrier):
 * not for the way of a reply. */
int veth_delete(int rtnl, const char *name, struct err *e);
