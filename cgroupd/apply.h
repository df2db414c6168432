/* SPDX-License-Identifier: MIT */
/*
 * Limits into the kernel's files, and what the kernel says they are then.
 */
#pragma once

#include "group.h"

/* Writes the limits of `l`, which limits_complete has seen, to an existing group; those that are
 * absent stay as they are. What fails may leave some of them set. */
int apply_limits(const struct tree *t, const char *id, const struct limits *l,
	struct limits_owned *r, struct err *e);

/* Whether limits as they were asked for can be had here: what a group would be refused, as far as
 * can be told without one. */
int apply_check(struct tree *t, const struct limits *asked, struct err *e);

/* Of a group in use, limits as they were asked for; those that are absent end, but for cpusets,
 * swappiness and rates, which stay. What fails puts everything back. */
int apply_update(const struct tree *t, const char *id, const struct limits *asked, struct err *e);
