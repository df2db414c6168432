/* SPDX-License-Identifier: MIT */
/*
 * Mutation of tar streams for fuzzers: whole entries come, go and change places, fields get other
 * values, and the headers' checksums hold again afterwards, or every archiver would stop at the
 * first one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* In place; the new size, at most max. */
size_t tar_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed);
