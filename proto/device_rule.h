/* SPDX-License-Identifier: MIT */
/*
 * The form of a device_rule (documents.def), which each receiver checks for itself, and its text.
 */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/devnum.h"
#include "messages.h"

/* One of these kinds, numbers from `min` (-1: any number will do) on, some access. */
static inline bool device_rule_is(const struct device_rule *r, const char *kinds, int64_t min)
{
	return strlen(r->kind) == 1 && strchr(kinds, *r->kind) && r->major >= min &&
	       r->major <= (int64_t)DEVICE_MAJOR_MAX && r->minor >= min &&
	       r->minor <= (int64_t)DEVICE_MINOR_MAX && *r->access &&
	       strspn(r->access, "rwm") == strlen(r->access);
}

/* "c 189:* rw", docker's and cgroup v1's. */
#define DEVICE_RULE_TEXT_MAX 56
static inline const char *device_rule_text(
	char buf[DEVICE_RULE_TEXT_MAX], const struct device_rule *r)
{
	char major[22] = "*", minor[22] = "*";

	if (r->major >= 0)
		snprintf(major, sizeof(major), "%" PRId64, r->major);
	if (r->minor >= 0)
		snprintf(minor, sizeof(minor), "%" PRId64, r->minor);
	snprintf(buf, DEVICE_RULE_TEXT_MAX, "%.1s %s:%s %.3s", r->kind, major, minor, r->access);
	return buf;
}
