/* SPDX-License-Identifier: MIT */
/*
 * What kinds of mounts there are, in create.mounts and spec.mounts (documents.def).
 */
#pragma once

#include <string.h>

#include "messages.h"

static inline bool mount_is(const struct mount *m, const char *kind)
{
	return strcmp(m->kind, kind) == 0;
}

/* Its source travels as a descriptor: the n-th of these owns the n-th. */
static inline bool mount_has_source(const struct mount *m)
{
	return mount_is(m, "bind") || mount_is(m, "device");
}
