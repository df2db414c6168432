/* SPDX-License-Identifier: MIT */
/*
 * Mirrors: "REGISTRY=HOST[:PORT][/PATH]", where what REGISTRY has may be had, too. The operator's
 * words; pure.
 */
#pragma once

#include "reference.h"

struct mirror {
	char registry[REFERENCE_NAME_MAX + 1]; /* as in a reference: docker.io */
	char domain[REFERENCE_NAME_MAX + 1];   /* HOST[:PORT] */
	char prefix[REFERENCE_NAME_MAX + 1];   /* "" or "PATH/", in front of a repository */
};

int mirror_parse(const char *text, struct mirror *ret, struct err *e);
