/* SPDX-License-Identifier: MIT */
/*
 * Numbers and sizes from text, strictly: no sign, no space, no octal, nothing behind, no overflow.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Decimal in [min, max]; -EINVAL or -ERANGE. */
int num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int num_parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret);

/* docker's sizes: 64, 64b, 64k, 64m, 64g, 64t, also KB, KiB in either case; powers of 1024; 1.5g
 * and .5g are accepted. -EINVAL; -ERANGE: more than INT64_MAX; -EDOM: more than three decimals. */
int num_parse_size(const char *s, uint64_t *ret);

/* "0.05", "2.5", ".5": in millionths, at most six decimals. -EINVAL; -ERANGE; -EDOM: more
 * decimals, which *ret is without. */
int num_parse_millionths(const char *s, uint64_t *ret);

/* "1.5GB" as docker prints sizes (powers of 1000, 4 significant digits) into buf of at least 16
 * bytes. */
const char *num_format_size(uint64_t n, char buf[16]);
/* "1.5GiB": likewise, in powers of 1024. */
const char *num_format_binary_size(uint64_t n, char buf[16]);
