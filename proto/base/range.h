/* SPDX-License-Identifier: MIT */
/*
 * What the kernel holds of a number: [min, max] in steps from min. Pure.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct range {
	const char *unit; /* for people: " us", or "" */
	uint64_t min, max, step;
};

/* The number nearest to v that it holds; the smaller of two. */
uint64_t range_nearest(const struct range *r, uint64_t v);
/* 0, or -EINVAL with a sentence that begins with what was asked for and names the nearest. */
int range_check(const struct range *r, const char *asked, uint64_t v, struct err *e);

/* Of bytes: the kernel counts memory in pages, and rounds down to them without a word. */
struct range range_pages(uint64_t min);
