/* SPDX-License-Identifier: MIT */
/*
 * --format; see format.h. The template is the caller's, the values may be a container's.
 */
#include "format.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "table.h"

#define NESTING_MAX 8

enum stop { STOP_END_OF_TEXT, STOP_END, STOP_ELSE };

struct eval {
	const char *at;
	FILE *out;     /* NULL: nothing is written, only syntax is checked */
	bool checking; /* values are not there */
	bool visible;
	unsigned int depth;
	struct err *e;
};

json_t *json_text(const char *s)
{
	json_t *j = json_string(s);
	char *fixed = j ? NULL : malloc(strlen(s) * 3 + 1), *p = fixed;

	if (!fixed)
		return j;
	for (; *s; s++) { /* all but ASCII goes: what is left of broken text is of no use */
		if ((unsigned char)*s < 0x80)
			*p++ = *s;
		else
			p = stpcpy(p, "\xef\xbf\xbd");
	}
	*p = '\0';
	j = json_string(fixed);
	free(fixed);
	return j;
}

static void put_text(struct eval *v, const char *s)
{
	_cleanup_free_ char *shown = NULL;
	size_t size = strlen(s) * 4 + 5;

	if (v->visible)
		shown = malloc(size);
	fputs(shown ? table_visible(s, shown, size) : s, v->out);
}

/* As Go's fmt prints values. */
static void put_value(struct eval *v, json_t *j)
{
	const char *key, *gap = "";
	json_t *item;
	size_t i;

	if (json_is_string(j)) {
		put_text(v, json_string_value(j));
	} else if (json_is_integer(j)) {
		fprintf(v->out, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
	} else if (json_is_real(j)) {
		fprintf(v->out, "%g", json_real_value(j));
	} else if (json_is_boolean(j)) {
		fputs(json_is_true(j) ? "true" : "false", v->out);
	} else if (json_is_array(j)) {
		fputc('[', v->out);
		json_array_foreach(j, i, item)
		{
			fputs(gap, v->out);
			put_value(v, item);
			gap = " ";
		}
		fputc(']', v->out);
	} else if (json_is_object(j)) {
		fputs("map[", v->out);
		json_object_foreach(j, key, item)
		{
			fprintf(v->out, "%s%s:", gap, key);
			put_value(v, item);
			gap = " ";
		}
		fputc(']', v->out);
	} else {
		fputs("<no value>", v->out);
	}
}

static void put_json(struct eval *v, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	fputs(text ? text : "null", v->out);
	free(text);
}

static void skip_space(struct eval *v)
{
	v->at += strspn(v->at, " \t\n");
}

static bool word(struct eval *v, const char *w)
{
	size_t n = strlen(w);

	if (strncmp(v->at, w, n) != 0 || isalnum((unsigned char)v->at[n]) || v->at[n] == '_')
		return false;
	v->at += n;
	skip_space(v);
	return true;
}

static int bad_template(struct eval *v, const char *why)
{
	return err_set(v->e, EINVAL, "%s at \"%.40s\"", why, v->at);
}

/* Maps whose keys are data: a key that is not there is no mistake. */
static bool is_data(const char *name, size_t n)
{
	static const char *const data[] = {"Labels", "Ports", "Networks", "PortBindings", "Volumes",
		"ExposedPorts", "Sysctls", "Tmpfs", "Attributes"};

	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		if (strlen(data[i]) == n && memcmp(data[i], name, n) == 0)
			return true;
	return false;
}

/* Go's name of a field, .TimeNano, whose JSON is written small, timeNano. */
static json_t *get_field(json_t *in, const char *name, size_t n)
{
	json_t *exact = json_object_getn(in, name, n), *value;
	const char *key;

	if (exact || !isupper((unsigned char)*name))
		return exact;
	json_object_foreach(in, key, value)
	{
		if (islower((unsigned char)*key) && strlen(key) == n &&
			strncasecmp(key, name, n) == 0)
			return value;
	}
	return NULL;
}

/* .A.B from dot; *ret is borrowed, NULL for no value. */
static int read_path(struct eval *v, json_t *dot, json_t **ret)
{
	const char *parent = "";
	size_t parent_n = 0;

	*ret = dot;
	if (*v->at != '.')
		return bad_template(v, "a field such as .Name is missing");
	while (*v->at == '.') {
		const char *name = ++v->at;
		size_t n = 0;
		json_t *in = *ret;
		bool data = is_data(parent, parent_n);

		while (isalnum((unsigned char)name[n]) || name[n] == '_' || name[n] == '-')
			n++;
		if (n == 0)
			break;
		v->at += n;
		*ret = data ? json_object_getn(in, name, n) : get_field(in, name, n);
		if (!*ret && !v->checking && !data)
			return err_set(v->e, EINVAL, "there is no field .%.*s", (int)n, name);
		parent = name;
		parent_n = n;
	}
	skip_space(v);
	return 0;
}

/* "text" with \" \\ \n \t, or `text`; *ret is a new reference. */
static int read_string(struct eval *v, json_t **ret)
{
	const char quote = *v->at;
	char text[256];
	size_t n = 0;

	for (v->at++; *v->at && *v->at != quote; v->at++) {
		char c = *v->at;

		if (c == '\\' && quote == '"' && v->at[1]) {
			c = *++v->at;
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
		}
		if (n == sizeof(text) - 1)
			return bad_template(v, "a text is too long");
		text[n++] = c;
	}
	if (*v->at != quote)
		return bad_template(v, "a quote is missing");
	v->at++;
	text[n] = '\0';
	skip_space(v);
	*ret = json_text(text);
	return *ret ? 0 : err_set(v->e, ENOMEM, "out of memory");
}

/* index .A "key" or 0; *ret is borrowed. */
static int read_index(struct eval *v, json_t *dot, json_t **ret)
{
	json_t *in, *key;
	int r = read_path(v, dot, &in);

	while (r == 0 && (*v->at == '"' || *v->at == '`')) {
		r = read_string(v, &key);
		if (r == 0) {
			in = json_object_get(in, json_string_value(key));
			json_decref(key);
		}
	}
	while (r == 0 && isdigit((unsigned char)*v->at)) {
		char *end;

		in = json_array_get(in, strtoul(v->at, &end, 10));
		v->at = end;
		skip_space(v);
	}
	*ret = in;
	return r;
}

static int close_action(struct eval *v)
{
	if (!*v->at)
		return bad_template(v, "}} is missing");
	if (strncmp(v->at, "}}", 2) != 0)
		return bad_template(v, "this is not supported");
	v->at += 2;
	return 0;
}

static int put_path(struct eval *v, json_t *dot, bool index, void (*put)(struct eval *, json_t *))
{
	json_t *value;
	int r = index ? read_index(v, dot, &value) : read_path(v, dot, &value);

	if (r == 0)
		r = close_action(v);
	if (r == 0 && v->out)
		put(v, value);
	return r;
}

static void put_length(struct eval *v, json_t *j)
{
	size_t n = json_is_array(j)    ? json_array_size(j)
		   : json_is_object(j) ? json_object_size(j)
		   : json_is_string(j) ? json_string_length(j)
				       : 0;

	fprintf(v->out, "%zu", n);
}

static int put_literal(struct eval *v)
{
	json_t *text = NULL;
	int r = read_string(v, &text);

	if (r == 0)
		r = close_action(v);
	if (r == 0 && v->out)
		fputs(json_string_value(text), v->out);
	json_decref(text);
	return r;
}

static int run_text(struct eval *v, json_t *dot, enum stop *ret);

/* The text up to else or end, with or without output; *ret says which it was. */
static int run_branch(struct eval *v, json_t *dot, bool emit, enum stop *ret)
{
	FILE *out = v->out;
	bool checking = v->checking;
	int r;

	if (!emit) {
		v->out = NULL;
		v->checking = true;
	}
	r = run_text(v, dot, ret);
	v->out = out;
	v->checking = checking;
	if (r == 0 && *ret == STOP_END_OF_TEXT)
		return bad_template(v, "{{end}} is missing");
	return r;
}

static int run_else(struct eval *v, json_t *dot, bool emit, enum stop stop)
{
	if (stop == STOP_END)
		return 0;
	if (run_branch(v, dot, emit, &stop) < 0)
		return -EINVAL;
	return stop == STOP_END ? 0 : bad_template(v, "a second {{else}}");
}

static bool is_true(json_t *j)
{
	if (json_is_string(j))
		return json_string_length(j) > 0;
	if (json_is_integer(j))
		return json_integer_value(j) != 0;
	return json_is_true(j) || json_array_size(j) > 0 || json_object_size(j) > 0;
}

static int run_if(struct eval *v, json_t *dot)
{
	enum stop stop;
	json_t *value;
	int r = read_path(v, dot, &value);

	if (r == 0)
		r = close_action(v);
	if (r == 0)
		r = run_branch(v, dot, v->out && is_true(value), &stop);
	return r < 0 ? r : run_else(v, dot, v->out && !is_true(value), stop);
}

static int run_range(struct eval *v, json_t *dot)
{
	json_t *list, *item;
	enum stop stop = STOP_END;
	const char *body, *key;
	size_t i;
	int r = read_path(v, dot, &list);

	if (r == 0)
		r = close_action(v);
	body = v->at;
	json_array_foreach(list, i, item)
	{
		v->at = body;
		if (r == 0)
			r = run_branch(v, item, v->out != NULL, &stop);
	}
	json_object_foreach(list, key, item)
	{
		v->at = body;
		if (r == 0)
			r = run_branch(v, item, v->out != NULL, &stop);
	}
	if (r == 0 && v->at == body)
		r = run_branch(v, dot, false, &stop);
	if (r < 0)
		return r;
	return run_else(
		v, dot, v->out && json_array_size(list) + json_object_size(list) == 0, stop);
}

static int nested(struct eval *v, json_t *dot, int (*run)(struct eval *, json_t *))
{
	int r;

	if (++v->depth > NESTING_MAX)
		return bad_template(v, "too many levels");
	r = run(v, dot);
	v->depth--;
	return r;
}

/* What stands in {{ }}. 1 when it ends the text that is being run. */
static int run_action(struct eval *v, json_t *dot, enum stop *ret)
{
	skip_space(v);
	if (word(v, "end")) {
		*ret = STOP_END;
		return close_action(v) < 0 ? -EINVAL : 1;
	}
	if (word(v, "else")) {
		*ret = STOP_ELSE;
		return close_action(v) < 0 ? -EINVAL : 1;
	}
	if (word(v, "range"))
		return nested(v, dot, run_range);
	if (word(v, "if"))
		return nested(v, dot, run_if);
	if (word(v, "json"))
		return put_path(v, dot, false, put_json);
	if (word(v, "index"))
		return put_path(v, dot, true, put_value);
	if (word(v, "len"))
		return put_path(v, dot, false, put_length);
	if (*v->at == '"' || *v->at == '`')
		return put_literal(v);
	return put_path(v, dot, false, put_value);
}

static int run_text(struct eval *v, json_t *dot, enum stop *ret)
{
	*ret = STOP_END_OF_TEXT;
	while (*v->at) {
		char c = *v->at++;

		if (c == '{' && *v->at == '{') {
			int r;

			v->at++;
			r = run_action(v, dot, ret);
			if (r != 0)
				return r < 0 ? r : 0;
			continue;
		}
		if (c == '\\' && (*v->at == 't' || *v->at == 'n'))
			c = *v->at++ == 't' ? '\t' : '\n';
		if (v->out)
			fputc(c, v->out);
	}
	return 0;
}

static int run(struct eval *v, json_t *value)
{
	enum stop stop;
	int r = run_text(v, value, &stop);

	if (r == 0 && stop != STOP_END_OF_TEXT)
		return bad_template(v, "{{end}} or {{else}} without a beginning");
	return r;
}

int format_print(const char *template, json_t *value, bool visible, FILE *out, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	struct eval v = {
		.at = template, .out = open_memstream(&text, &n), .visible = visible, .e = e};
	int r;

	if (!v.out)
		return err_set(e, ENOMEM, "out of memory");
	r = run(&v, value);
	if (fclose(v.out) != 0 && r == 0)
		r = err_set(e, ENOMEM, "out of memory");
	if (r == 0)
		fwrite(text, 1, n, out);
	return r;
}

int check_format(const char *template, struct err *e)
{
	struct eval v = {.at = template, .checking = true, .e = e};

	return run(&v, NULL);
}
