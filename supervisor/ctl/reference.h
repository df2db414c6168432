/* SPDX-License-Identifier: MIT */
/*
 * Image references, split for showing; what they mean is the engine's business.
 */
#pragma once

#include <stdbool.h>

struct reference {
	char name[513]; /* docker.io/library/busybox, or as people say it: busybox */
	char tag[129];	/* "<none>" when there is none */
};

/* familiar: without docker.io/ and library/. Cut if too long. */
void reference_split(const char *ref, bool familiar, struct reference *ret);
