/* SPDX-License-Identifier: MIT */
/*
 * Joining a cgroup by its opened cgroup.procs files, and the oom score.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* Sets the calling process's oom score, through the /proc of the stage. It is dumpable meanwhile,
 * so this comes before it enters a container that runs. 0 leaves it alone. */
int oom_set_score(int64_t score, struct err *e);

/* Moves the calling process into each. */
int cgroup_join(const int *procs, uint32_t n, struct err *e);
