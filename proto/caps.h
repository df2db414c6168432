/* SPDX-License-Identifier: MIT */
/*
 * A container's capabilities, from what the user asked for.
 */
#pragma once

#include "messages.h"

#define CAPS_ALL ((1ULL << 41) - 1)

/* NAME, CAP_NAME or ALL, in either case. */
int caps_parse(const char *name, uint64_t *ret, struct err *e);

/* The default set with --cap-add and --cap-drop applied (drop wins over add, as in docker, but for
 * ALL). */
int caps_resolve(const struct create *o, uint64_t *ret, struct err *e);
