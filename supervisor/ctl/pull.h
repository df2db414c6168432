/* SPDX-License-Identifier: MIT */
/*
 * Pulling an image, with its progress on stderr; used by pull, run and create.
 */
#pragma once

#include "command.h"

struct pull {
	const char *ref, *platform; /* platform: NULL for this host's */
	const char *policy;	    /* always, missing, never */
	bool quiet;
};

/* ret->msg.pulled is the answer; the caller frees ret in any case. */
int pull_image(struct ctl *c, const struct pull *p, struct incoming *ret, struct err *e);
