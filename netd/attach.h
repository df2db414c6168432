/* SPDX-License-Identifier: MIT */
/*
 * A container's way onto a network and off it again, step by step with undo.
 */
#pragma once

#include "netd.h"

/* On success *ret_member is on the network and its ports are in the book. */
int attach(struct netd *d, struct network *n, const struct net_attach *msg,
	struct member **ret_member, struct err *e);

/* From every network. 0 also when the container isn't known. */
int detach(struct netd *d, const char *container, struct err *e);
