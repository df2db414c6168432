/* SPDX-License-Identifier: MIT */
/*
 * The devices that a container may open beside everybody's, by what was asked of it.
 */
#pragma once

#include "engine.h"

/* The bound of cgroup_create.devices: 64 mounts, 64 rules, and a few. */
#define DEVICE_RULES_MAX 130

/* The form of the rules, and of the numbers of devices; -EINVAL with a sentence. */
int device_rules_check(const struct create *o, struct err *e);

/* Fills v; the texts are those of the container's record. Returns how many there are. */
uint32_t device_rules(const struct ctr *c, struct device_rule v[DEVICE_RULES_MAX]);

/* Whether nodes in its binds are alive for its rules. Not for a visit: that opens none. */
bool device_rules_given(const struct ctr *c);
