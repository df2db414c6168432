/* SPDX-License-Identifier: MIT */
/*
 * When images that nobody needs go: two marks, of the disk or of the store.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;

struct gc_marks {
	uint64_t high, low; /* both 0: never */
	bool percent;	    /* of the file system; else bytes of the store */
};

/* "85%,75%" or "20g,15g": what is too much, and what is little enough. NULL: never. */
int gc_parse(const char *text, struct gc_marks *ret, struct err *e);

/* Asks imaged to make room, if there are marks. */
void gc_collect(struct engine *g);
