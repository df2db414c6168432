/* SPDX-License-Identifier: MIT */
/*
 * Device nodes for containers: mount_map of messages.def with `device`.
 */
#pragma once

#include "messages.h"
#include "mntns.h"

/* Whether this lies on the host's /dev itself, not on what is mounted below it; no file system is
 * asked. */
bool device_on_dev(struct mntns *n, int fd);

/* Fills *ret, whose descriptors the caller closes, also when it fails. */
int device_map(struct mntns *n, const struct mount_map *m, struct mount_mapped *ret, struct err *e);
