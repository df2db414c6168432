/* SPDX-License-Identifier: MIT */
/*
 * Joining a cgroup by its opened cgroup.procs files.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* Moves the calling process into each. */
int cgroup_join(const int *procs, uint32_t n, struct err *e);
