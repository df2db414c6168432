/* SPDX-License-Identifier: MIT */
/*
 * What netd may do while it serves. Data only.
 */
#include <sys/capability.h>
#include <sys/resource.h>

#include "netd.h"

static const struct priv_cap caps[] = {
	{CAP_NET_ADMIN,
		"links, addresses, nf_tables and /proc/sys/net of the host; the same in containers' namespaces"},
	{-1, NULL},
};

static const struct priv_cap enter_caps[] = {
	{CAP_NET_ADMIN, "as above"},
	{CAP_SYS_ADMIN,
		"setns(2) into a namespace given by path: debug runs without a container's first process"},
	{-1, NULL},
};

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_NOFILE, 65536, "a published port is a descriptor"},
	{RLIMIT_CORE, 0, "nothing of the host's network on disk"},
	{-1, 0, NULL},
};

const struct priv_profile netd_profile = {
	.program = "netd",
	.user = "bulkhead-net",
	.fallback_uid = 0x6ff00002,
	.caps = caps,
	.rlimits = rlimits,
};

const struct priv_profile netd_enter_profile = {
	.program = "netd",
	.user = "bulkhead-net",
	.fallback_uid = 0x6ff00002,
	.caps = enter_caps,
	.rlimits = rlimits,
};
