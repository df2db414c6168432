/* SPDX-License-Identifier: MIT */
/*
 * Between structures and msgpack, driven by the tables that messages.def makes.
 *
 * Encoding uses msgpack-c's packer. Decoding is a bounded cursor of our own: msgpack-c 4.0's
 * unpacker allocates what a five-byte frame claims (dd 04 00 00 00: 2 GiB). The decoder refuses
 * unknown, duplicate and missing keys, wrong types, values over their bound, NUL inside strings,
 * nesting deeper than the schema and trailing bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define ITEM_MAX 131072 /* bytes of one element of a STRV: the kernel's MAX_ARG_STRLEN */

enum field_type {
	T_BOOL,
	T_U32,
	T_U64,
	T_I64,
	T_STR,
	T_BYTES,
	T_STRV,
	T_FD,
	T_FDV,
	T_LIST,
	T_NESTED
};
enum field_need { OPTIONAL, REQUIRED };

/* Absent optional fields decode to: false, 0, NULL, {NULL, 0}, descriptor -1. Encoding leaves
 * exactly those values out. */
struct bytes {
	const uint8_t *p;
	uint32_t n;
};
struct strv {
	const char **v; /* n strings; not NULL-terminated */
	uint32_t n;
};
struct fdv {
	int *v;
	uint32_t n;
};
struct list { /* what every LISTOF field is, whatever its v points to */
	void *v;
	uint32_t n;
};

struct schema;
/* Without pointers: what the dynamic loader need not relocate is shared by all processes. */
struct field {
	char name[24];
	uint8_t type; /* enum field_type */
	uint8_t need; /* enum field_need */
	uint16_t sub; /* of T_LIST and T_NESTED: see field_schema */
	uint32_t offset;
	uint64_t bound;
};
struct schema {
	const char *name;
	const struct field *fields;
	uint32_t n_fields; /* at most 64 */
	size_t size;	   /* of the structure */
};

const struct schema *field_schema(const struct field *f); /* NULL for other types */

/* Memory that one decoded structure's lists and string tables live in; bounded, freed as one.
 * Zero-initialise; arena_free() accepts that. */
struct arena {
	struct arena_block *blocks;
	size_t used; /* bytes handed out so far */
};
#define ARENA_MAX (4U << 20)

void *arena_alloc(
	struct arena *a, size_t n); /* zeroed, aligned for anything; NULL when over ARENA_MAX */
char *arena_strdup(struct arena *a, const char *s);
void arena_free(struct arena *a);
#define _cleanup_arena_ _cleanup_(arena_free)

/* Descriptors collected by an encoder, in field order. Borrowed: encoding doesn't own them. */
#define FRAME_FDS_MAX 240 /* SCM_MAX_FD is 253 */
struct fdset {
	int v[FRAME_FDS_MAX];
	uint32_t n;
};

/* Encodes *obj as one map into a fresh buffer that the caller frees. fds may be NULL for documents,
 * which hold none. Checks the same bounds as decoding: a structure that encodes also decodes.
 * -EMSGSIZE when over max bytes, -EINVAL with a sentence when a field breaks its bound. */
int codec_encode(const struct schema *s, const void *obj, size_t max, struct fdset *fds,
	uint8_t **ret, size_t *ret_len, struct err *e);

/* Decodes exactly one map that fills buf[0..len) into *obj. Strings are made NUL-terminated in
 * place: buf must be writable, have one spare byte at buf[len], and outlive *obj. Lists live in the
 * arena. fds[0..n_fds) are numbered into the T_FD fields; each must be used once and in order. They
 * stay the caller's to close unless it takes them. On failure *obj is undefined; -EBADMSG. */
int codec_decode(const struct schema *s, uint8_t *buf, size_t len, const int *fds, uint32_t n_fds,
	struct arena *a, void *obj, struct err *e);

/* Deep copy through encode and decode; buf and arena own what *dst points to. */
int codec_copy(const struct schema *s, const void *src, uint8_t **ret_buf, struct arena *a,
	void *dst, struct err *e);
