/* SPDX-License-Identifier: MIT */
/*
 * Shims beyond the life of who started them. Each has a socket RUN/shims/SLOT.FLAGS, in a directory
 * of root's alone, on which it, or its keeper after it, listens; and each engine has a block of
 * uids to which nobody else's processes belong. Runs in the launcher.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A bound socket, for the shim to listen on. -errno. What was there is replaced. */
int successor_bind(int dir, uint32_t slot, uint32_t flags);
void successor_unbind(int dir, uint32_t slot, uint32_t flags);

/* A connection to whoever listens now, of the given uid; its pid. -ECONNREFUSED or -ENOENT when
 * nobody does; -EAGAIN when that is somebody who has died, or is not yet who shall. */
int successor_connect(int dir, uint32_t slot, uint32_t flags, uid_t uid, pid_t *ret_pid);

/* Calls fn for each socket's name. */
void successor_each(int dir, void (*fn)(void *arg, uint32_t slot, uint32_t flags), void *arg);

/* Signals every living process whose real uid is one of n from first, but those for which spared
 * says true (NULL: none). Returns how many; with signal 0 that is all it does. */
unsigned int successor_signal(
	uid_t first, uint32_t n, int sig, bool (*spared)(void *arg, uid_t uid), void *arg);
