/* SPDX-License-Identifier: MIT */
/*
 * Device nodes for containers: mount_map of messages.def with `device`.
 */
#pragma once

#include "messages.h"
#include "mntns.h"

/* Fills *ret, whose descriptors the caller closes, also when it fails. */
int device_map(struct mntns *n, const struct mount_map *m, struct mount_mapped *ret, struct err *e);
