/* SPDX-License-Identifier: MIT */
/*
 * Workers of a debug run: the mounter starts them itself, as root, before it drops what that takes.
 * Otherwise the launcher does.
 */
#pragma once

#include <sys/types.h>

#include "../proto/base/err.h"

#define DEBUG_WORKERS_MAX 5

struct debug_workers {
	unsigned int n;
	const char *kind[DEBUG_WORKERS_MAX];
	int channel[DEBUG_WORKERS_MAX];
	pid_t pid[DEBUG_WORKERS_MAX];
};

/* One fetch worker and n unpack workers. certs_dir may be NULL; insecure ends with NULL. */
int debug_workers_start(struct debug_workers *w, const char *name, const char *certs_dir,
	const char *const *insecure, unsigned int n_unpack, struct err *e);

/* Closes what channels are left and waits for the workers to end. */
void debug_workers_wait(struct debug_workers *w);
