/* SPDX-License-Identifier: MIT */
/*
 * Image references, split for showing; see reference.h.
 */
#include "reference.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void reference_split(const char *ref, bool familiar, struct reference *ret)
{
	const char *slash, *colon;
	size_t n;

	if (familiar && strncmp(ref, "docker.io/library/", 18) == 0)
		ref += 18;
	else if (familiar && strncmp(ref, "docker.io/", 10) == 0)
		ref += 10;
	n = strcspn(ref, "@");
	slash = memrchr(ref, '/', n);
	colon = memchr(slash ? slash : ref, ':', n - (size_t)((slash ? slash : ref) - ref));
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(colon ? colon - ref : (ptrdiff_t)n),
		ref);
	snprintf(ret->tag, sizeof(ret->tag), "%.*s",
		colon ? (int)(n - (size_t)(colon + 1 - ref)) : 6, colon ? colon + 1 : "<none>");
}
