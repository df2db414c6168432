/* SPDX-License-Identifier: MIT */
/*
 * What a start gathers, and the steps that do: start.c's own, start_binds.c's, and those of
 * a visit to a container that does not run.
 */
#pragma once

#include "job.h"

#define START_LAYERS_MAX 128
#define START_PROCS_MAX	 14
#define START_BINDS_MAX	 64
#define START_SPEC_MAX	 (2U << 20)
#define START_HELPER_MS	 30000

/* Descriptors are owned; -1 or n = 0 when not there. A job's data begins with one. */
struct start {
	struct relay *relay; /* who asked */
	uint32_t rows, cols;
	int in, out, err;
	int layers[START_LAYERS_MAX], procs[START_PROCS_MAX], binds[START_BINDS_MAX];
	uint32_t n_layers, n_procs, n_binds, binds_waiting;
	int writable, rootfs, spec, filter;
	bool may_lack; /* what can't be had of binds any more: those are -1 then */
	struct err bind_failure;
	void *bind_ref;
};
#define START_NONE                                                                                 \
	.in = -1, .out = -1, .err = -1, .writable = -1, .rootfs = -1, .spec = -1, .filter = -1

/* Closes what it holds. */
void start_close(struct start *s);
/* Ends a step of a start; with e, what will be undone anyway is not copied first. */
void start_step_end(void *ref, const struct err *e);

void undo_shim(struct job *j);
void start_cgroup(struct job *j, void *ref);
void undo_cgroup(struct job *j);
bool wants_image(const struct job *j);
void start_rootfs(struct job *j, void *ref);
bool wants_binds(const struct job *j);
void start_binds(struct job *j, void *ref);

/* A sealed memfd of the spec, in s->spec. */
int start_seal(struct start *s, const struct spec *spec, struct err *e);
/* Sends the shim its order; the step ends with the answer. log may be -1. */
void start_send(struct job *j, void *ref, int log, reply_fn fn);
