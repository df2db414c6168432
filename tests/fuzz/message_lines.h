/* SPDX-License-Identifier: MIT */
/*
 * Messages in their text form (proto/text.h), made of proto/messages.def by chance: known words
 * and numbers at the edges of their bounds where they fit; %N stands for so many letters.
 */
#pragma once

#include "messages.h"

/* Numbers by chance that libFuzzer's seed decides. */
struct dice {
	uint64_t state;
};
uint32_t dice_roll(struct dice *d, uint32_t sides); /* 0…sides-1; 0 for no sides */

/* Descriptors that lines may name: @fd:100 and following. */
enum { FD_NULL = 100, FD_ROOT, FD_UNSEALED, FD_FILTER, FD_SEALED, FD_LAST = FD_SEALED };
void message_open_fds(void);
/* What a line may not open becomes a word that opens nothing. */
void message_disarm(char *line);

struct words {
	char *p;
	size_t n, room; /* what doesn't fit is left out */
};
void words_add(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A message that `from` may send to `to`, of the given kind. */
void message_line(
	struct words *w, struct dice *d, enum role from, enum role to, enum msg_kind kind);
/* "name=value …" for a document or message; each field that may be absent is so half the time, all
 * are there with `full`. */
void message_fields(struct words *w, struct dice *d, const struct schema *s, bool full);
/* So many fields of it, as chance has it; members of structures count as one. */
void message_some(struct words *w, struct dice *d, const struct schema *s, uint32_t n);
/* The value of a field, quoted if need be. */
void message_value(struct words *w, struct dice *d, const struct field *f);
/* A field of any message or document by its name; NULL: there is none. */
const struct field *message_field(const char *name);
