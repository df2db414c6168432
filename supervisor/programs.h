/* SPDX-License-Identifier: MIT */
/*
 * The programs that the launcher may start, opened once.
 */
#pragma once

#include "launch.h"
#include "options.h"

struct programs {
	int supervisor, netd, imaged, cgroupd;
	int shim; /* a sealed memfd: what enters a container can't be overwritten (CVE-2019-5736) */
	int stage; /* the mount namespace of shims */
};

int programs_open(struct programs *ret, struct err *e);

/* In the forked child, channel on descriptor 3: becomes the program. Returns only on failure, with
 * -errno. */
int programs_exec(
	const struct programs *p, const struct options *o, const struct launch_frame *what);
