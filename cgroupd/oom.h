/* SPDX-License-Identifier: MIT */
/*
 * Tells when the kernel kills in a container's cgroup for want of memory. A container is told of
 * once a kill, or once for several at a time.
 */
#pragma once

#include "base/loop.h"
#include "tree.h"

struct oom;

/* Watches every group that exists already (made before a restart) and calls fn, from the loop or
 * from oom_count, for kills from now on. NULL when memory or descriptors are out. */
struct oom *oom_new(
	struct loop *l, const struct tree *t, void (*fn)(void *arg, const char *id), void *arg);
void oom_free(struct oom *o);

/* Starts watching a new group; nothing to do where there is no memory controller, or it is watched
 * already. */
int oom_watch(struct oom *o, const char *id, struct err *e);

/* Takes in a fresh reading of a group's counter: calls fn if that is news. */
void oom_count(struct oom *o, const char *id, uint64_t kills);

/* Stops watching. Unknown ids are fine. */
void oom_forget(struct oom *o, const char *id);
