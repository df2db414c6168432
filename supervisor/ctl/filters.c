/* SPDX-License-Identifier: MIT */
/*
 * Filters; see filters.h.
 */
#include "filters.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_TEXT 256

bool filter_is_image(const char *image, const char *wanted)
{
	size_t n = strlen(wanted);

	if (strncmp(image, wanted, n) != 0)
		return false;
	/* What follows the colon of a port has a slash. */
	return !image[n] || image[n] == '@' || (image[n] == ':' && !strchr(image + n, '/'));
}

int filter_check_name(const char *pattern, struct err *e)
{
	char why[128];
	regex_t re;
	int r = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB);

	if (r == 0) {
		regfree(&re);
		return 0;
	}
	regerror(r, &re, why, sizeof(why));
	return err_set(e, EINVAL, "\"%.64s\" is no regular expression: %s", pattern, why);
}

bool filter_is_name(const char *name, const char *pattern)
{
	char path[NAME_MAX_TEXT];
	regex_t re;
	bool found;

	if (!pattern[strcspn(pattern, "\\^$.[|()?*+{/")])
		return strstr(name, pattern) != NULL;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	snprintf(path, sizeof(path), "/%s", name);
	found = regexec(&re, name, 0, NULL, 0) == 0 || regexec(&re, path, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

bool filters_pass(const struct strv *filters, bool (*matches)(const void *row, const char *filter),
	const void *row)
{
	for (uint32_t i = 0; i < filters->n; i++) {
		size_t key = strcspn(filters->v[i], "=");
		bool any = false, is_label = filters->v[i][0] == 'l';

		for (uint32_t j = 0; j < filters->n; j++)
			if (strncmp(filters->v[i], filters->v[j], key + 1) == 0 &&
				(!is_label || i == j))
				any = any || matches(row, filters->v[j]);
		if (!any)
			return false;
	}
	return true;
}
