/* SPDX-License-Identifier: MIT */
/*
 * The shim's privileges, data only. It has two profiles, since its user namespace can be made only
 * as the container's own host user, and mapped only with two capabilities, which go right after.
 */
#include "profile.h"

#include <linux/capability.h>

static const struct priv_cap starting_caps[] = {
	{CAP_SETUID, "uid_map: to map ids that are not its own, user_namespaces(7)"},
	{CAP_SETGID, "gid_map: likewise, and setgroups stays allowed inside"},
	{-1, NULL},
};

/* The workload is cloned in this profile and must be able to run without no_new_privs if its spec
 * says so; dumpable, or its map files in /proc would belong to root. No rlimits: the workload would
 * inherit them. */
const struct priv_profile profile_starting = {
	.program = "shim",
	.fallback_uid = 0x6ff00006,
	.dumpable = true,
	.new_privs = true,
	.caps = starting_caps,
};

/* It owns the user namespace of its container and so holds every capability there, none here. Execs
 * are forked from here: --new-privs leaves no_new_privs off for the containers that asked for that.
 */
const struct priv_profile profile_running = {
	.program = "shim",
	.fallback_uid = 0x6ff00006,
	.dumpable = false,
};
