/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's word on who is on the networks, against what netd has and what the host has.
 */
#pragma once

#include "netd.h"

/* MSG_net_sync. */
void on_net_sync(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f);

/* Deletes every link that is a container's of this engine by its alias: for its end. */
int sync_sweep(struct netd *d, struct err *e);
