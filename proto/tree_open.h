/* SPDX-License-Identifier: MIT */
/*
 * What tree_pack and tree_unpack do alike.
 */
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>

#include "base/fd.h"

/* Below a descriptor, over no link; -errno. */
static inline int tree_open(int dir, const char *path, int flags, mode_t mode)
{
	return fd_openat2(dir, *path ? path : ".", flags, mode,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

/* Extended attributes that are the file's own: what a user gave it, and capabilities. */
static inline bool tree_keeps_xattr(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}
