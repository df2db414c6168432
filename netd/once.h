/* SPDX-License-Identifier: MIT */
/*
 * Sentences that need to be said once: what somebody else made and netd leaves alone is seen again
 * at every look.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

#define ONCE_MAX 64

struct once {
	uint64_t said[ONCE_MAX]; /* hashes; the oldest makes room */
	unsigned int next;
};

/* A warning, unless it was said before in the same words. */
void once_warn(struct once *o, const char *fmt, ...) _printf_(2, 3);
