/* SPDX-License-Identifier: MIT */
/*
 * Freezing: all processes of a container stand still, wherever they are, until they are thawed. On
 * v1 not even SIGKILL ends one that is frozen (freezer-subsystem.rst), on v2 it does.
 */
#pragma once

#include "chan.h"
#include "tree.h"

/* Asks for it; the kernel may take its time. -ENOENT when there is no such group. */
int freeze_set(const struct tree *t, const char *id, bool frozen, struct err *e);
/* Whether all of its processes stand still, also for somebody else's sake (a parent is frozen). */
int freeze_get(const struct tree *t, const char *id, bool *ret, struct err *e);

void on_cgroup_freeze(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f);
