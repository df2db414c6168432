/* SPDX-License-Identifier: MIT */
/*
 * The keeper: one beside each shim, made before the shim goes behind its system call filter, since
 * what is cloned from behind a filter stays behind it, and a container's processes have their own.
 * It sleeps until the shim wants a process in the container, holds what such a process joins by,
 * and lets it go at the end. It has no capability and reads nothing but the shim's frames and the
 * specs that come with them: no byte of a container.
 */
#pragma once

#include "messages.h"

struct keeper {
	int sock; /* the shim's end; -1 when it has died */
	pid_t pid;
};

/* In the shim, once it has dropped every privilege. `userns` is the container's. */
int keeper_start(struct keeper *k, int userns, struct err *e);

/* One of keeper_*; does not wait. A sentence when the keeper has died or is stuck. */
int keeper_say(const struct keeper *k, enum msg_type type, const void *msg, struct err *e);
