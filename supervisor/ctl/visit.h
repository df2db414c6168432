/* SPDX-License-Identifier: MIT */
/*
 * Visits: the engine's own code in a container (shim/visit.h), for top, export and cp.
 */
#pragma once

#include "command.h"
#include "side.h"

struct visit {
	const char *ref, *name;
	struct strv args;
	int far_in, far_out; /* its stdin and stdout: pipes of visit_pipe, -1: none; taken */
};

/* *ret_far is for the engine, *ret_near ours; `out`: data comes from the visit. */
int visit_pipe(bool out, int *ret_near, int *ret_far, struct err *e);

/* Has the engine make it and waits for its end; what comes out of `collect` meanwhile, if that is
 * not -1, is the caller's to free, and at most VISIT_TEXT_MAX bytes. Its own sentence is the error;
 * -EPIPE says that it ended because nobody took, or gave, more. */
#define VISIT_TEXT_MAX (16U << 20)
struct visit_text {
	char *p; /* NUL-terminated, or NULL */
	size_t n;
};
int visit_run(struct ctl *c, struct visit *v, int collect, struct visit_text *ret, struct err *e);

/* With a local side (side.h), which takes what it says, or gives what it reads: whoever began to
 * fail has the word. */
int visit_from(struct ctl *c, struct visit *v, struct side *s, struct err *e);
int visit_to(struct ctl *c, struct visit *v, struct side *s, struct err *e);
