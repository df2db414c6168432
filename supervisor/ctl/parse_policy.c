/* SPDX-License-Identifier: MIT */
/*
 * Words about what becomes of a container that ends; see parse.h.
 */
#include "parse.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"

int parse_restart(const char *s, struct restart_words *ret, struct err *e)
{
	static const char *const names[] = {"no", "on-failure", "always", "unless-stopped"};
	size_t n = strcspn(s, ":");

	*ret = (struct restart_words){0};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0)
			ret->name = names[i];
	if (!ret->name)
		return err_set(e, EINVAL,
			"\"%.32s\" is none of no, on-failure[:N], always and unless-stopped", s);
	if (!s[n])
		return 0;
	if (strcmp(ret->name, "on-failure") != 0)
		return err_set(e, EINVAL, "\"%.32s\": only on-failure takes a number", s);
	if (num_parse_u32(s + n + 1, 0, INT32_MAX, &ret->max) < 0)
		return err_set(e, EINVAL, "\"%.32s\": what follows the colon is no number", s);
	return 0;
}

int check_restart(const char *s, struct err *e)
{
	struct restart_words w;

	return parse_restart(s, &w, e);
}
