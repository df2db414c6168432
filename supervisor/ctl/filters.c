/* SPDX-License-Identifier: MIT */
/*
 * Filters; see filters.h.
 */
#include "filters.h"

#include <string.h>

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
