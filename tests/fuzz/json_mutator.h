/* SPDX-License-Identifier: MIT */
/*
 * Mutation of JSON for fuzzers: values are dropped, doubled, exchanged and replaced by others of
 * the same or another type, so that what comes out is still JSON.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* In place; the new size, at most max. head: bytes in front of the JSON. words: names and texts
 * that mean something to the reader, NULL-terminated. What isn't JSON is mutated as bytes, as all
 * is now and then. */
size_t json_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed, size_t head,
	const char *const *words);
