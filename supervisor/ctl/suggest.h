/* SPDX-License-Identifier: MIT */
/*
 * "did you mean": the nearest of some words to the one that was typed.
 */
#pragma once

#include <stddef.h>

struct suggest {
	const char *typed;
	const char *best; /* NULL: nothing is near enough */
	size_t distance;  /* of best */
};

void suggest_start(struct suggest *s, const char *typed);
void suggest_offer(struct suggest *s, const char *word);
