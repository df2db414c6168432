/* SPDX-License-Identifier: MIT */
/*
 * A container's link to its bridge: a veth pair, one end on the host, the other made in the
 * container's network namespace as eth0.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

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
 * replaced. *ret_inside is the ifindex of the end inside, which is still down. Nothing is left
 * after a failure. */
int veth_make(int rtnl, const struct veth_want *want, int *ret_inside, struct err *e);

/* Deletes the host's end, and with it the other; 0 also when there is none. Takes the kernel 20 ms
 * and more, since it waits for every CPU to let go of the device (synchronize_net, rcu_barrier):
 * not for the way of a reply. */
int veth_delete(int rtnl, const char *name, struct err *e);
