/* SPDX-License-Identifier: MIT */
/*
 * The privilege of cgroupd while it serves, a reason a row. Data only.
 */
#include "profile.h"

#include <sys/resource.h>

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_CORE, 0, "its memory holds nothing that a file should"},
	{RLIMIT_NOFILE, 4096, "one descriptor for each of 2047 containers, and a few"},
	{RLIMIT_MEMLOCK, 0, "locks no memory"},
	{-1, 0, NULL},
};

/* uid 0 because cgroup directories belong to root, and because v1 lets only a cgroup.procs that
 * root opened move processes of other uids. Their owner needs no capability for either. */
const struct priv_profile cgroupd_profile = {
	.program = "cgroupd",
	.user = NULL,
	.fallback_uid = 0,
	.dumpable = false,
	.caps = NULL,
	.rlimits = rlimits,
};
