/* SPDX-License-Identifier: MIT */
/*
 * What two headers of an answer say. Pure; the text is a server's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Retry-After, in seconds or as a date, seen from `now`; a date that has passed is 0. False when it
 * is neither. */
bool headers_retry_after(const char *text, time_t now, uint64_t *ret_seconds);

/* Is this Content-Range the rest of `size` bytes from `from` on: "bytes FROM-LAST/SIZE"? The size
 * may be left open ("*"); a LAST before the end leaves the rest to be asked for. */
bool headers_range_holds(const char *text, uint64_t from, uint64_t size);
