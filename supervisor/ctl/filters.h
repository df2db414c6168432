/* SPDX-License-Identifier: MIT */
/*
 * --filter KEY=VALUE of lists, as docker has it.
 */
#pragma once

#include "codec.h"

/* Filters of one key widen each other (labels: all must be there); of different keys they narrow.
 * `matches` tells of one filter. */
bool filters_pass(const struct strv *filters, bool (*matches)(const void *row, const char *filter),
	const void *row);
