/* SPDX-License-Identifier: MIT */
/*
 * The tables that messages.def expands to.
 */
#include "messages.h"

#include <string.h>

/* Indices of schemas[] below. */
enum {
#define STRUCT(name)				 SCHEMA_##name,
#define MSG(name, number, from, to, kind, reply) SCHEMA_##name,
#define FIELD(s, f, type, bound, need)
#define LISTOF(s, f, sub, bound, need)
#define NESTED(s, f, sub, need)
#define END(name)
#include "messages.def"
};

/* Field tables end with an empty row, so that messages without fields have one too. */
#define STRUCT(name)				 static const struct field fields_##name[] = {
#define MSG(name, number, from, to, kind, reply) static const struct field fields_##name[] = {
#define FIELD(s, f, type, bound, need)		 {#f, T_##type, need, 0, offsetof(struct s, f), bound},
#define LISTOF(s, f, sub, bound, need)                                                             \
	{#f, T_LIST, need, SCHEMA_##sub, offsetof(struct s, f), bound},
#define NESTED(s, f, sub, need) {#f, T_NESTED, need, SCHEMA_##sub, offsetof(struct s, f), 1},
#define END(name)                                                                                  \
	{                                                                                          \
		"", T_BOOL, OPTIONAL, 0, 0, 0                                                      \
	}                                                                                          \
	}                                                                                          \
	;                                                                                          \
	const struct schema schema_##name = {                                                      \
		#name, fields_##name, ARRAY_LEN(fields_##name) - 1, sizeof(struct name)};          \
	_Static_assert(ARRAY_LEN(fields_##name) <= 65, #name " has more than 64 fields");
#include "messages.def"

static const struct msg_row rows[MSG_NUMBER_MAX + 1] = {
#define STRUCT(name)
#define MSG(name, number, from, to, kind, reply)                                                   \
	[number] = {&schema_##name, (uint16_t)(from), (uint16_t)(to), kind, MSG_##reply},
#define FIELD(s, f, type, bound, need)
#define LISTOF(s, f, sub, bound, need)
#define NESTED(s, f, sub, need)
#define END(name)
#include "messages.def"
};

const struct msg_row *msg_row(uint32_t number)
{
	if (number > MSG_NUMBER_MAX || !rows[number].schema)
		return NULL;
	return &rows[number];
}

const char *msg_name(uint32_t number)
{
	const struct msg_row *r = msg_row(number);

	return r ? r->schema->name : "?";
}

uint32_t msg_number(const char *name)
{
	for (uint32_t i = 0; i <= MSG_NUMBER_MAX; i++)
		if (rows[i].schema && strcmp(rows[i].schema->name, name) == 0)
			return i;
	return 0;
}

static const struct schema *const schemas[] = {
#define STRUCT(name)				 &schema_##name,
#define MSG(name, number, from, to, kind, reply) &schema_##name,
#define FIELD(s, f, type, bound, need)
#define LISTOF(s, f, sub, bound, need)
#define NESTED(s, f, sub, need)
#define END(name)
#include "messages.def"
};

const struct schema *field_schema(const struct field *f)
{
	return f->type == T_LIST || f->type == T_NESTED ? schemas[f->sub] : NULL;
}

const struct schema *schema_find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_LEN(schemas); i++)
		if (strcmp(schemas[i]->name, name) == 0)
			return schemas[i];
	return NULL;
}

const char *role_name(enum role r)
{
	static const char *const names[] = {"supervisor", "netd", "imaged", "fetch", "unpack",
		"cgroupd", "shim", "ctl", "dns", "keeper"};

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		if ((unsigned int)r == 1U << i)
			return names[i];
	return "?";
}

void msg_init(const struct schema *s, void *obj)
{
	memset(obj, 0, s->size);
	for (uint32_t i = 0; i < s->n_fields; i++)
		if (s->fields[i].type == T_FD)
			*(int *)(void *)((char *)obj + s->fields[i].offset) = -1;
}
