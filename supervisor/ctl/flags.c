/* SPDX-License-Identifier: MIT */
/*
 * Flags by table; see flags.h. Trusts its table, not its arguments.
 */
#include "flags.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "suggest.h"
#include "table.h"

#define HELP_COLUMN (size_t)36

struct parse {
	const struct flags_input *in;
	struct arena *arena;
	void *options;
	struct strv *operands;
	int at; /* the argument behind the one being read */
};

/* Lists double whenever their length reaches a power of two, so no capacity needs to be kept. */
void *list_append(struct arena *a, void *list_field, size_t size)
{
	struct list *l = list_field;
	void *bigger;

	if ((l->n & (l->n - 1)) == 0) {
		bigger = arena_alloc(a, size * MAX(l->n * 2, 1U));
		if (!bigger)
			return NULL;
		if (l->n > 0)
			memcpy(bigger, l->v, size * l->n);
		l->v = bigger;
	}
	return (char *)l->v + size * l->n++;
}

int strv_append(struct arena *a, struct strv *list, const char *item)
{
	struct list l = {(void *)list->v, list->n};
	const char **slot = list_append(a, &l, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	*slot = item;
	list->v = l.v;
	list->n = l.n;
	return 0;
}

int flags_parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "TRUE", "True", "t", "T", "1"};
	static const char *const no[] = {"false", "FALSE", "False", "f", "F", "0"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(s, yes[i]) != 0 && strcmp(s, no[i]) != 0)
			continue;
		*ret = strcmp(s, yes[i]) == 0;
		return 0;
	}
	return -EINVAL;
}

static const struct flag *find_long(const struct flag *table, const char *name, size_t n)
{
	for (const struct flag *f = table; f && f->kind != FLAG_END; f++)
		if (f->name && strlen(f->name) == n && memcmp(f->name, name, n) == 0)
			return f;
	return NULL;
}

static const struct flag *find_letter(const struct flag *table, char letter)
{
	for (const struct flag *f = table; f && f->kind != FLAG_END; f++)
		if (f->letter == letter)
			return f;
	return NULL;
}

static int unknown_long(const struct parse *p, const char *name, size_t n, struct err *e)
{
	char typed[64];
	struct suggest s;

	snprintf(typed, sizeof(typed), "%.*s", (int)MIN(n, sizeof(typed) - 1), name);
	suggest_start(&s, typed);
	for (const struct flag *f = p->in->table; f && f->kind != FLAG_END; f++)
		if (f->name && f->help)
			suggest_offer(&s, f->name);
	if (s.best)
		return err_set(e, EINVAL, "unknown flag --%s, did you mean --%s?", typed, s.best);
	return err_set(e, EINVAL, "unknown flag --%s", typed);
}

/* "--name" or "-n", as people know the flag. */
static const char *spelled(const struct flag *f, char buf[32])
{
	if (f->name)
		snprintf(buf, 32, "--%s", f->name);
	else
		snprintf(buf, 32, "-%c", f->letter);
	return buf;
}

static bool takes_no_value(const struct flag *f)
{
	return f->kind == FLAG_BOOL || f->kind == FLAG_NOT;
}

static int store(struct parse *p, const struct flag *f, const char *value, struct err *e)
{
	char *field = (char *)p->options + f->offset;
	char buf[32];
	int r = f->check ? f->check(value, e) : 0;

	if (r < 0)
		return err_prefix(e, "%s", spelled(f, buf));
	if (f->kind == FLAG_STRING) {
		memcpy(field, &value, sizeof(value));
		return 0;
	}
	if (strv_append(p->arena, (struct strv *)(void *)field, value) < 0)
		return err_set(e, ENOMEM, "%s: too many values", spelled(f, buf));
	return 0;
}

static int store_bool(struct parse *p, const struct flag *f, const char *value, struct err *e)
{
	char buf[32];
	bool v = true;

	if (value && flags_parse_bool(value, &v) < 0)
		return err_set(
			e, EINVAL, "%s is true or false, not \"%s\"", spelled(f, buf), value);
	v = v != (f->kind == FLAG_NOT);
	memcpy((char *)p->options + f->offset, &v, sizeof(v));
	return 0;
}

/* inline_value is what stood in the same argument, or NULL. */
static int apply(struct parse *p, const struct flag *f, const char *inline_value, struct err *e)
{
	char buf[32];

	if (f->kind == FLAG_LATER)
		return err_set(e, EINVAL, "%s is not supported yet", spelled(f, buf));
	if (takes_no_value(f))
		return store_bool(p, f, inline_value, e);
	if (!inline_value) {
		if (p->at >= p->in->argc)
			return err_set(e, EINVAL, "%s needs a value", spelled(f, buf));
		inline_value = p->in->argv[p->at++];
	}
	return store(p, f, inline_value, e);
}

static int parse_long(struct parse *p, const char *arg, struct err *e)
{
	size_t n = strcspn(arg, "=");
	const struct flag *f = find_long(p->in->table, arg, n);

	if (!f && n == 4 && memcmp(arg, "help", 4) == 0)
		return 1;
	if (!f)
		return unknown_long(p, arg, n, e);
	return apply(p, f, arg[n] == '=' ? arg + n + 1 : NULL, e);
}

/* -h is help wherever it is no flag of its own, and where nothing could be its value. */
static bool asks_help(const struct parse *p, const struct flag *f, char letter)
{
	return letter == 'h' && (!f || (p->in->argc == 1 && strcmp(p->in->argv[0], "-h") == 0));
}

static int parse_letters(struct parse *p, const char *arg, struct err *e)
{
	for (; *arg; arg++) {
		const struct flag *f = find_letter(p->in->table, *arg);
		const char *value = NULL;
		int r;

		if (asks_help(p, f, *arg))
			return 1;
		if (!f)
			return err_set(e, EINVAL, "unknown flag -%c", *arg);
		if (arg[1] == '=')
			value = arg + 2;
		else if (arg[1] && !takes_no_value(f))
			value = arg + 1;
		r = apply(p, f, value, e);
		if (r != 0 || value)
			return r;
	}
	return 0;
}

static int rest_is_operands(struct parse *p, struct err *e)
{
	while (p->at < p->in->argc)
		if (strv_append(p->arena, p->operands, p->in->argv[p->at++]) < 0)
			return err_set(e, ENOMEM, "too many arguments");
	return 0;
}

static int parse_one(struct parse *p, struct err *e)
{
	const char *arg = p->in->argv[p->at++];

	if (strcmp(arg, "--") == 0)
		return rest_is_operands(p, e);
	if (arg[0] == '-' && arg[1] == '-')
		return parse_long(p, arg + 2, e);
	if (arg[0] == '-' && arg[1])
		return parse_letters(p, arg + 1, e);
	if (p->in->stop_at_operand) {
		p->at--;
		return rest_is_operands(p, e);
	}
	if (strv_append(p->arena, p->operands, arg) < 0)
		return err_set(e, ENOMEM, "too many arguments");
	return 0;
}

int flags_parse(const struct flags_input *in, struct arena *a, void *options,
	struct strv *ret_operands, struct err *e)
{
	struct parse p = {.in = in, .arena = a, .options = options, .operands = ret_operands};
	int r;

	*ret_operands = (struct strv){0};
	while (p.at < in->argc) {
		r = parse_one(&p, e);
		if (r != 0)
			return r;
	}
	return 0;
}

void flags_print(const struct flag *table)
{
	for (const struct flag *f = table; f && f->kind != FLAG_END; f++) {
		char left[64], letter[8] = "    ";

		if (!f->help || f->kind == FLAG_LATER)
			continue;
		if (f->letter)
			snprintf(letter, sizeof(letter), "-%c%s", f->letter, f->name ? ", " : "  ");
		snprintf(left, sizeof(left), "%s%s%s%s%s", letter, f->name ? "--" : "",
			f->name ? f->name : "", f->value ? " " : "", f->value ? f->value : "");
		printf("  %s%*s %s\n", left,
			(int)(HELP_COLUMN - MIN(table_width(left), HELP_COLUMN)), "", f->help);
	}
}
