/* SPDX-License-Identifier: MIT */
/*
 * Mounts by descriptor. Everything is built detached and put on a target that is a descriptor or a
 * name directly below one; no path is ever walked here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/err.h"

struct mnt_option {
	const char *key;   /* NULL ends the list */
	const char *value; /* NULL: a flag */
};

/* A new file system of a type with options, as a detached mount with MOUNT_ATTR_… attrs. The
 * sentence holds the file system's own words if it has any. */
int mnt_new(const char *type, const struct mnt_option *options, unsigned int attrs, int *ret,
	struct err *e);

/* A detached clone of the mount or file at dir/name ("" with a descriptor of it), with attrs added.
 */
int mnt_clone(int dir, const char *name, unsigned int attrs, bool recursive, int *ret);

/* Puts a detached mount on dir/name, which is not followed if it is a link; or on what target is.
 */
int mnt_put(int mnt, int dir, const char *name);
int mnt_put_on(int mnt, int target);

/* Changes attributes, and propagation when it isn't 0 (MS_PRIVATE, MS_SLAVE). */
int mnt_change(int mnt, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive);
