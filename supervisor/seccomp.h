/* SPDX-License-Identifier: MIT */
/*
 * Filters for workloads: the default one, made of rows once for each set of capabilities that makes
 * a difference, and those that users brought, kept in their containers' state directories.
 */
#pragma once

#include "engine.h"

struct filter; /* one of the default ones */

/* The filter for a container as its start needs it: a descriptor of its own (sealed memfd of BPF
 * instructions) in *ret_fd, -1 when it is to be unconfined. */
int seccomp_open(struct ctr *c, int *ret_fd, struct err *e);

/* Makes the one that most containers get, ahead of the first that needs it. */
int seccomp_warm(struct engine *g, struct err *e);
