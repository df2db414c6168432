/* SPDX-License-Identifier: MIT */
/*
 * --device HOST[:CONTAINER][:ACCESS]: a device node of the host's, or all below a directory.
 *
 * In a user namespace no node can be made, and none opened but those that were brought in. So the
 * access that is given is the mode of the node that is brought, and takes no list of a cgroup's:
 * root makes a node for the container alone, others hand on the host's own, whose mode then has
 * to allow all users what is asked for.
 */
#pragma once

#include "parse.h"

/* Mounts of kind device, one a node. Names are looked up with the caller's rights. */
int parse_device(const char *s, struct arena *a, struct mount_list *list, struct err *e);

/* --device-cgroup-rule, as docker writes it: KIND MAJOR:MINOR ACCESS. */
int parse_device_rule(const char *s, struct device_rule *ret, struct err *e);

/* What the engine gets for a mount of parse_device's: O_PATH of the node, or a box
 * (imaged/mntns.h). */
int device_open(const struct mount *m, struct err *e);
