/* SPDX-License-Identifier: MIT */
/*
 * Names inside a container's root, resolved by openat2 with the root as the world: ".." and
 * absolute links end at it, magic links are refused. The result is a descriptor, and only that is
 * used.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Links are followed inside the root. Returns a descriptor or -errno. */
int inroot_open(int root, const char *path, int flags);

/* No component may be a link. */
int inroot_open_strict(int root, const char *path, int flags);

/* O_PATH descriptor of a directory, made with its parents (mode 0755) when missing; of whatever is
 * there that is not a directory, an empty file when nothing is. What a link leads to is made where
 * it leads, inside: the link stays. */
int inroot_dir(int root, const char *path, int *ret, struct err *e);
int inroot_file(int root, const char *path, int *ret, struct err *e);

/* Removes the link dir/name of the root's own tree if it leads nowhere or can't be followed. One in
 * a mount below is somebody's, and stays. */
int inroot_drop_dead_link(int root, const char *dir, const char *name, struct err *e);

/* root/name as a real directory: anything else of that name is removed first. */
int inroot_real_dir(int root, const char *name, int *ret, struct err *e);
