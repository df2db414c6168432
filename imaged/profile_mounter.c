/* SPDX-License-Identifier: MIT */
/*
 * What the mounter may do. It is root so that its directories need no other owner, but holds only
 * the capability that mounting takes: files of other users are as closed to it as to anybody.
 */
#include <sys/capability.h>

#include "imaged.h"

static const struct priv_cap caps[] = {
	{CAP_SYS_ADMIN, "fsmount, open_tree, mount_setattr and LOOP_CONFIGURE ask for it"},
	{-1, NULL},
};

const struct priv_profile profile_mounter = {
	.program = "imaged",
	.user = NULL,
	.fallback_uid = 0,
	.dumpable = false,
	.caps = caps,
	.rlimits = NULL,
};
