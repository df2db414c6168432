/* SPDX-License-Identifier: MIT */
/*
 * --filter KEY=VALUE of lists, as docker has it.
 */
#pragma once

#include "codec.h"

/* Whether an image's name is `wanted`, or that with a tag or a digest behind it. */
bool filter_is_image(const char *image, const char *wanted);
/* As docker has it, whether an extended regular expression is found in a name, with or without a
 * slash before it. check: 0, or -EINVAL with a sentence. */
int filter_check_name(const char *pattern, struct err *e);
bool filter_is_name(const char *name, const char *pattern);

/* Filters of one key widen each other (labels: all must be there); of different keys they narrow.
 * `matches` tells of one filter. */
bool filters_pass(const struct strv *filters, bool (*matches)(const void *row, const char *filter),
	const void *row);
