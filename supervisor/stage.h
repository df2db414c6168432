/* SPDX-License-Identifier: MIT */
/*
 * The stage: a mount namespace with nothing of the host in it, where shims run. A tmpfs root with
 * /proc and /sys (both fully visible, else a user namespace may not mount its own:
 * mount_too_revealing() in fs/namespace.c), device nodes in /dev, and empty /mnt and /newroot.
 */
#pragma once

#include "base/err.h"

/* Makes it in a short-lived child; returns a descriptor of the namespace, or -errno. Needs root. */
int stage_make(struct err *e);
