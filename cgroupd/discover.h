/* SPDX-License-Identifier: MIT */
/*
 * Where the controllers that containers need are: which cgroup hierarchies this host has mounted,
 * v1, v2 or both side by side (hybrid). Only reads; text comes from the kernel and is still parsed
 * strictly.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Left out on purpose. net_cls, net_prio, perf_event, rdma, misc: nothing here limits or reads
 * them. v1's name=systemd: it is systemd's, which allows no other writer, and it limits nothing. */
enum controller {
	CTL_MEMORY,
	CTL_CPU,
	CTL_CPUACCT,
	CTL_CPUSET,
	CTL_PIDS,
	CTL_FREEZER,
	CTL_IO, /* v1's blkio */
	CTL_HUGETLB,
	CTL_DEVICES, /* of v1 only where it has a hierarchy for itself, see devices.h */
	CTL_COUNT,
};

/* The kernel's name, v2's where they differ: "memory". */
const char *controller_name(enum controller c);

/* What every v2 cgroup does without a controller: cpu.stat, cgroup.freeze, programs that judge
 * opens of devices (cgroup-v2.rst). */
#define CTL_V2_BUILT_IN (1U << CTL_CPUACCT | 1U << CTL_FREEZER | 1U << CTL_DEVICES)

struct hierarchy {
	int version;	      /* 1 or 2 */
	uint32_t controllers; /* bit n: enum controller n */
	bool optional;	      /* for lists of devices alone: where it can't be had, done without */
	char mount[256];
};

#define HIERARCHY_MAX 14 /* also the bound of cgroup_created.procs */

struct layout {
	struct hierarchy h[HIERARCHY_MAX];
	unsigned int n;
};

/* From the texts of /proc/self/cgroup and /proc/self/mountinfo and of the v2 root's
 * cgroup.controllers (NULL where there is no v2). Hierarchies that have nothing we use are left
 * out; not v2's, whose program is for containers that v1's list of devices is too short for. On
 * hybrid hosts joining it costs a grace period of RCU, some milliseconds, which joining v1's does
 * not: group_create leaves one without controllers, or with hugetlb alone, out of most groups.
 * -ENOENT when nothing is mounted at all, -EBADMSG when a text isn't what the kernel writes. */
int discover_parse(const char *cgroups, const char *mountinfo, const char *v2_controllers,
	struct layout *ret, struct err *e);

/* The same of this process. */
int discover_host(struct layout *ret, struct err *e);

/* The cgroup `parent` takes the place of v2's root: a service manager's, who has handed it over,
 * with no process in it, and has perhaps fewer controllers. Nothing of v1 changes. An absolute path
 * without "..". */
int discover_below(struct layout *l, const char *parent, struct err *e);

/* The mount point of the v2 hierarchy, if any, from mountinfo: 0, -ENOENT or -EBADMSG. */
int discover_v2_mount(const char *mountinfo, char *ret, size_t size, struct err *e);

/* The set of controllers in a list like "cpuset cpu io"; names we don't use count for nothing. */
uint32_t discover_controllers(const char *list, const char *separators);
