/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor process may do: nothing that needs a privilege. The launcher has no profile:
 * it must hand on what the others keep.
 */
#include "profile.h"

#include <sys/resource.h>

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_CORE, 0, "its memory holds what users typed"},
	{RLIMIT_NOFILE, 65536,
		"some twenty descriptors for each of 2047 containers, and those of bind mounts"},
	{-1, 0, NULL},
};

const struct priv_profile profile_supervisor = {
	.program = "supervisor",
	.user = "bulkhead",
	.fallback_uid = 0x6ff00001,
	.rlimits = rlimits,
};
