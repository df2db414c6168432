/* SPDX-License-Identifier: MIT */
/*
 * What messages.def means in C: enum, structures and tables.
 * `struct net_attach m = MSG_INIT;` is a message with every descriptor field at "absent" only after
 * msg_init(): descriptors start at -1, which zeroing doesn't give.
 */
#pragma once

#include "codec.h"

enum role {
	ROLE_NONE = 0,
	SUPERVISOR = 1 << 0,
	NETD = 1 << 1,
	IMAGED = 1 << 2,
	FETCH = 1 << 3,
	UNPACK = 1 << 4,
	CGROUPD = 1 << 5,
	SHIM = 1 << 6,
	CTL = 1 << 7,
	DNS = 1 << 8,
	KEEPER = 1 << 9,
	ANY = (1 << 10) - 1,
};

enum msg_kind { REQUEST, REPLY, EVENT };

/* MSG_net_attach = 22, … ; MSG_none is 0. */
enum msg_type {
	MSG_none = 0,
#define STRUCT(name)
#define MSG(name, number, from, to, kind, reply) MSG_##name = number,
#define FIELD(s, f, type, bound, need)
#define LISTOF(s, f, sub, bound, need)
#define NESTED(s, f, sub, need)
#define END(name)
#include "messages.def"
};
#define MSG_NUMBER_MAX 255

#define CTYPE_BOOL  bool
#define CTYPE_U32   uint32_t
#define CTYPE_U64   uint64_t
#define CTYPE_I64   int64_t
#define CTYPE_STR   const char *
#define CTYPE_BYTES struct bytes
#define CTYPE_STRV  struct strv
#define CTYPE_FD    int
#define CTYPE_FDV   struct fdv

/* struct image_config, struct net_attach, … */
#define STRUCT(name)				 struct name {
#define MSG(name, number, from, to, kind, reply) struct name {
#define FIELD(s, f, type, bound, need)		 CTYPE_##type f;
#define LISTOF(s, f, sub, bound, need)                                                             \
	struct {                                                                                   \
		struct sub *v;                                                                     \
		uint32_t n;                                                                        \
	} f;
#define NESTED(s, f, sub, need) struct sub *f;
#define END(name)                                                                                  \
	unsigned char end_of_struct; /* a structure without fields is not C */                     \
	}                                                                                          \
	;
#include "messages.def"

/* extern const struct schema schema_image_config, schema_net_attach, … */
#define STRUCT(name)				 extern const struct schema schema_##name;
#define MSG(name, number, from, to, kind, reply) extern const struct schema schema_##name;
#define FIELD(s, f, type, bound, need)
#define LISTOF(s, f, sub, bound, need)
#define NESTED(s, f, sub, need)
#define END(name)
#include "messages.def"

struct msg_row {
	const struct schema *schema; /* NULL: no such number */
	uint16_t from, to;	     /* roles */
	enum msg_kind kind;
	enum msg_type reply; /* of a REQUEST */
};

/* NULL when the number is unknown. */
const struct msg_row *msg_row(uint32_t number);
const char *msg_name(uint32_t number); /* "?" when unknown */
uint32_t msg_number(const char *name); /* 0 when unknown */
const char *role_name(enum role r);

/* A document's or message's schema by its name; NULL when there is none. */
const struct schema *schema_find(const char *name);

/* Zeroes a message and sets its descriptor fields to -1. */
void msg_init(const struct schema *s, void *obj);
#define MSG_DECLARE(type, var)                                                                     \
	struct type var;                                                                           \
	msg_init(&schema_##type, &var)
