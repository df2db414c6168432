/* SPDX-License-Identifier: MIT */
/*
 * A network's bridge: made, and made again.
 */
#pragma once

#include "network.h"

/* Makes it, without addresses and not up; n->ifindex is the new one's. -EEXIST when there is a link
 * of that name: nothing of it is changed. */
int bridge_make(struct network *n, const char *engine, int rtnl, struct err *e);

/* Gives it alias and addresses, and brings it up; what it has stays. */
int bridge_settle(const struct network *n, const char *engine, int rtnl, struct err *e);
