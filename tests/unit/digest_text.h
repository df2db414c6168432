/* SPDX-License-Identifier: MIT */
/*
 * Digests made up of one letter, for cmocka tests.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 128

static inline const char *digest(char c, char buf[TEXT_MAX])
{
	char hex[65];

	memset(hex, c, 64);
	hex[64] = '\0';
	snprintf(buf, TEXT_MAX, "sha256:%s", hex);
	return buf;
}
