/* SPDX-License-Identifier: MIT */
/*
 * A reader of msgpack over a byte range: no heap, no recursion, no trust. Each call reads one
 * header or one value, or returns -EBADMSG and leaves the cursor where it was.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	uint8_t *p;
	uint8_t *end;
};

int cursor_map(struct cursor *c, uint32_t *ret_pairs);
int cursor_array(struct cursor *c, uint32_t *ret_items);
int cursor_bool(struct cursor *c, bool *ret);
int cursor_u64(struct cursor *c, uint64_t *ret); /* any unsigned or non-negative encoding */
int cursor_i64(struct cursor *c, int64_t *ret);
int cursor_str(struct cursor *c, char **ret, uint32_t *ret_len); /* points into the range */
int cursor_bin(struct cursor *c, uint8_t **ret, uint32_t *ret_len);
