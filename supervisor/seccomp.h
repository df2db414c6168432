/* SPDX-License-Identifier: MIT */
/*
 * Filters for workloads: the default one, made of rows once for each set of capabilities that makes
 * a difference, and those that users brought, kept in their containers' state directories.
 */
#pragma once

#include "engine.h"

#define SECCOMP_FILE "filter" /* in a container's state directory: instructions of its own */

struct filter; /* one of the default ones */

/* The filter for a container as its start needs it: a descriptor of its own (sealed memfd of BPF
 * instructions) in *ret_fd, -1 when it is to be unconfined. */
int seccomp_open(struct ctr *c, int *ret_fd, struct err *e);

/* The options name a file, and its filter comes beside them. */
bool seccomp_is_own(const struct create *o);

/* Keeps a filter of the user's (sealed memfd; -1: nothing to keep) for all starts of the container.
 * Whether it is a valid one, the kernel tells at the first of them. */
int seccomp_keep(struct ctr *c, int fd, struct err *e);

/* Makes the one that most containers get, ahead of the first that needs it. */
int seccomp_warm(struct engine *g, struct err *e);
