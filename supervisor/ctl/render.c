/* SPDX-License-Identifier: MIT */
/*
 * Parts that the JSON of containers and images share; see render.h.
 */
#include "render.h"

#include <string.h>

#include "format.h"

void render_text(json_t *j, const char *key, const char *value)
{
	json_object_set_new(j, key, json_text(value ? value : ""));
}

void render_number(json_t *j, const char *key, int64_t value)
{
	json_object_set_new(j, key, json_integer(value));
}

void render_bool(json_t *j, const char *key, bool value)
{
	json_object_set_new(j, key, json_boolean(value));
}

json_t *render_strings(const struct strv *v)
{
	json_t *j;

	if (v->n == 0)
		return json_null();
	j = json_array();
	for (uint32_t i = 0; i < v->n; i++)
		json_array_append_new(j, json_text(v->v[i]));
	return j;
}

static void add_pairs(json_t *j, const struct strv *v)
{
	for (uint32_t i = 0; v && i < v->n; i++) {
		size_t n = strcspn(v->v[i], "=");

		json_object_setn_new(j, v->v[i], n, json_text(v->v[i][n] ? v->v[i] + n + 1 : ""));
	}
}

json_t *render_pairs(const struct strv *a, const struct strv *b)
{
	json_t *j = json_object();

	add_pairs(j, a);
	add_pairs(j, b);
	return j;
}

json_t *render_keys(const struct strv *v)
{
	json_t *j;

	if (v->n == 0)
		return json_null();
	j = json_object();
	for (uint32_t i = 0; i < v->n; i++)
		json_object_set_new(j, v->v[i], json_object());
	return j;
}
