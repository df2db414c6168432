/* SPDX-License-Identifier: MIT */
/*
 * EROFS image files as mounts: read-only, without devices, idmapped on demand. Only the kernel
 * reads the images. Runs in the mounter, in any of its threads; each call needs CAP_SYS_ADMIN.
 */
#pragma once

#include "../proto/base/err.h"

/* A detached mount of the image file at `path`; the descriptor, or -errno. Where the kernel mounts
 * block devices only (before 6.12: ENOTBLK), through a loop device that goes away with its last
 * mount, from dev/ in the working directory. */
int erofs_mount_file(const char *path, struct err *e);

/* Whether files of `path`'s file system need no loop device: 1 or 0, or -errno. Makes the file and
 * removes it; the kernel logs that it holds no image. */
int erofs_mounts_files(const char *path, struct err *e);

/* The second way, for tests. */
int erofs_mount_loop(const char *path, struct err *e);
