/* SPDX-License-Identifier: MIT */
/*
 * Bounds around jansson, which by itself limits nesting to 2048 and the number of values not at
 * all.
 */
#include "json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Counts what will cost memory before any is spent: brackets and separators outside strings. */
static const char *over_bounds(const char *buf, size_t n)
{
	size_t depth = 0, values = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = buf[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
		if (!quoted && (c == ',' || c == ':' || c == '{' || c == '['))
			values++;
		if (depth > JSON_DEPTH_MAX)
			return "nested too deep";
		if (values > JSON_VALUES_MAX)
			return "too many values";
	}
	return NULL;
}

json_t *json_read(const char *what, const char *buf, size_t n, struct err *e)
{
	const char *why = over_bounds(buf, n);
	json_error_t at;
	json_t *root;

	if (why) {
		err_set(e, EBADMSG, "%s: %s", what, why);
		return NULL;
	}
	root = json_loadb(buf, n, JSON_REJECT_DUPLICATES, &at);
	if (root && json_is_object(root))
		return root;
	if (root)
		err_set(e, EBADMSG, "%s: not a JSON object", what);
	else if (json_error_code(&at) == json_error_duplicate_key)
		err_set(e, EBADMSG, "%s: a key stands there twice", what);
	else
		err_set(e, EBADMSG, "%s: not JSON (line %d)", what, at.line);
	json_decref(root);
	return NULL;
}

static int wrong_type(const char *key, const char *want, struct err *e)
{
	return err_set(e, EBADMSG, "\"%s\" is not %s", key, want);
}

int json_get_string(const json_t *obj, const char *key, const char **ret, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return wrong_type(key, "a string", e);
	*ret = json_string_value(v);
	return 0;
}

int json_get_array(const json_t *obj, const char *key, const json_t **ret, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v))
		return wrong_type(key, "a list", e);
	*ret = v;
	return 0;
}

int json_get_object(const json_t *obj, const char *key, const json_t **ret, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_object(v))
		return wrong_type(key, "an object", e);
	*ret = v;
	return 0;
}

int json_get_u64(const json_t *obj, const char *key, uint64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	*ret = 0;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return wrong_type(key, "a natural number", e);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}
