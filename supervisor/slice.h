/* SPDX-License-Identifier: MIT */
/*
 * Slices that containers' cgroups lie in, by the names that systemd gives them: "web-front.slice"
 * lies in "web.slice", both below the engine's own cgroup.
 */
#pragma once

#include "base/err.h"

/* With an id behind it, it is a container's name for cgroupd. */
#define SLICE_PATH_MAX 190

/* "web-front.slice" -> "web.slice/web-front.slice". -EINVAL with a sentence when it is no name of a
 * slice, or one that is nested too deep. */
int slice_expand(const char *name, char ret[SLICE_PATH_MAX + 1], struct err *e);
