/* SPDX-License-Identifier: MIT */
/*
 * EROFS image files as mounts: read-only, without devices, idmapped on demand. Only the kernel
 * reads the images. Runs in the mounter, which needs CAP_SYS_ADMIN for each call.
 */
#pragma once

#include "../proto/base/err.h"

/* A detached mount of the image file at `path`; the descriptor, or -errno. Where the kernel mounts
 * block devices only (before 6.12: ENOTBLK), through a loop device that goes away with its last
 * mount, from dev/ in the working directory. */
int erofs_mount_file(const char *path, struct err *e);

/* The second way, for tests. */
int erofs_mount_loop(const char *path, struct err *e);
