/* SPDX-License-Identifier: MIT */
/*
 * Names of slices; see slice.h and systemd.slice(5). Pure.
 */
#include "slice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char suffix[] = ".slice";

/* Words of letters, digits and '_' between single dashes. */
static int check(const char *name, size_t own)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	for (;;) {
		size_t n = strspn(name, letters);

		if (n == 0 || n > own)
			return -EINVAL;
		if (n == own)
			return 0;
		if (name[n] != '-')
			return -EINVAL;
		name += n + 1;
		own -= n + 1;
	}
}

int slice_expand(const char *name, char ret[SLICE_PATH_MAX + 1], struct err *e)
{
	size_t n = strlen(name), own = n > strlen(suffix) ? n - strlen(suffix) : 0, at = 0;

	if (own == 0 || strcmp(name + own, suffix) != 0 || check(name, own) < 0)
		return err_set(e, EINVAL,
			"\"%.64s\" is no slice: letters, digits and _, with single dashes between, then .slice",
			name);
	for (size_t end = strcspn(name, "-"); end < own; end += 1 + strcspn(name + end + 1, "-")) {
		at += (size_t)snprintf(
			ret + at, SLICE_PATH_MAX + 1 - at, "%.*s%s/", (int)end, name, suffix);
		if (at > SLICE_PATH_MAX)
			break;
	}
	if (at + n > SLICE_PATH_MAX)
		return err_set(e, EINVAL,
			"slice %.64s is nested too deep: its path is longer than %d", name,
			SLICE_PATH_MAX);
	strcpy(ret + at, name);
	return 0;
}
