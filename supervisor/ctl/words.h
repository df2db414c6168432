/* SPDX-License-Identifier: MIT */
/*
 * Times as text. All times are ns since 1970.
 */
#pragma once

#include <stdint.h>

uint64_t words_now(void);

/* 2026-11-22T19:00:00.123456789Z; 0 is docker's never, 0001-01-01T00:00:00Z. */
void words_time(uint64_t ns, char out[64]);

/* 2026-11-22 19:00:00 +0000 UTC, in local time. */
void words_time_local(uint64_t ns, char out[64]);
