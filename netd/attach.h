/* SPDX-License-Identifier: MIT */
/*
 * A container's way onto a network and off it again, step by step with undo.
 */
#pragma once

#include "netd.h"
#include "veth.h"

/* On success *ret_member is on the network and its ports are in the book. A member whose link is
 * gone gets another, and keeps addresses and ports. */
int attach(struct netd *d, struct network *n, const struct net_attach *msg,
	struct member **ret_member, struct err *e);

/* From every network. 0 also when the container isn't known. */
int detach(struct netd *d, const char *container, struct err *e);

/* Its addresses, and its place on a bridge. */
void attach_leave(struct netd *d, struct network *n, struct member *m);

/* What its link should be, but for the namespace; alias is lent. */
void attach_link_want(const struct netd *d, const struct network *n, const struct member *m,
	struct veth_want *ret, char alias[NAMES_ALIAS_MAX]);

/* UDP flows outlive a port that is withdrawn; flows.h. All rows of one container. */
void forget_flows(const struct published *rows);
