/* SPDX-License-Identifier: MIT */
/*
 * The one spelling of a digest that this engine accepts: "sha256:" and 64 lower-case hex digits.
 * Digests name files in the layer store, so nothing looser may pass. Pure; any process may link it.
 */
#pragma once

#include <stdbool.h>

#define DIGEST_PREFIX	"sha256:"
#define DIGEST_TEXT_LEN 71
#define DIGEST_TEXT_MAX (DIGEST_TEXT_LEN + 1) /* with the NUL */

bool digest_valid(const char *text);

/* The 64 hex digits of a valid digest. */
const char *digest_hex(const char *digest);

/* Copies a valid digest; returns false, and leaves "" behind, when text is not one. */
bool digest_copy(char ret[DIGEST_TEXT_MAX], const char *text);
