/* SPDX-License-Identifier: MIT */
/*
 * User namespaces that nobody lives in: a mount mapped by one shows the files of one host user and
 * of one host group as those of a container's root, and every other owner as nobody. Writing such a
 * map takes root's capabilities: the launcher makes them, from four numbers.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/* uid and gid as they are on the host, base the container's first id. A descriptor or -errno.
 * Blocks while a process is forked and ended. */
int idmap_make(uid_t uid, gid_t gid, uid_t base, struct err *e);
