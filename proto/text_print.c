/* SPDX-License-Identifier: MIT */
/*
 * Printing messages as lines of text; see text.h.
 */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_DEPTH 256

static void print_struct(FILE *out, const struct schema *s, const char *obj, const char *prefix);

static void print_quoted(FILE *out, const char *p, size_t n)
{
	bool bare = n > 0 && *p != '@' && *p != '"';

	for (size_t i = 0; i < n && bare; i++)
		bare = (unsigned char)p[i] > ' ' && p[i] != 0x7f && p[i] != '"';
	if (bare) {
		fwrite(p, 1, n, out);
		return;
	}
	fputc('"', out);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			fputc('\\', out);
		fputc((unsigned char)p[i] < ' ' || p[i] == 0x7f ? '?' : p[i], out);
	}
	fputc('"', out);
}

static void print_list(FILE *out, const struct field *f, const struct list *l, const char *path)
{
	char element[PATH_MAX_DEPTH];

	for (uint32_t i = 0; i < l->n; i++) {
		snprintf(element, sizeof(element), "%.220s.%u.", path, i);
		print_struct(out, field_schema(f), (const char *)l->v + i * field_schema(f)->size,
			element);
	}
}

static void print_field(FILE *out, const struct field *f, const void *at, const char *path)
{
	const struct strv *sv = at;
	const struct fdv *fv = at;
	const struct bytes *b = at;
	char inner[PATH_MAX_DEPTH];

	switch ((enum field_type)f->type) {
	case T_BOOL:
		if (*(const bool *)at)
			fprintf(out, " %s=true", path);
		break;
	case T_U32:
		if (*(const uint32_t *)at || f->need == REQUIRED)
			fprintf(out, " %s=%u", path, *(const uint32_t *)at);
		break;
	case T_U64:
		if (*(const uint64_t *)at || f->need == REQUIRED)
			fprintf(out, " %s=%lu", path, *(const uint64_t *)at);
		break;
	case T_I64:
		if (*(const int64_t *)at || f->need == REQUIRED)
			fprintf(out, " %s=%ld", path, *(const int64_t *)at);
		break;
	case T_STR:
		if (*(const char *const *)at) {
			fprintf(out, " %s=", path);
			print_quoted(
				out, *(const char *const *)at, strlen(*(const char *const *)at));
		}
		break;
	case T_BYTES:
		if (b->p) {
			fprintf(out, " %s=", path);
			print_quoted(out, (const char *)b->p, b->n);
		}
		break;
	case T_STRV:
		for (uint32_t i = 0; i < sv->n; i++) {
			fprintf(out, " %s=", path);
			print_quoted(out, sv->v[i], strlen(sv->v[i]));
		}
		break;
	case T_FD:
		if (*(const int *)at >= 0)
			fprintf(out, " %s=@fd:%d", path, *(const int *)at);
		break;
	case T_FDV:
		for (uint32_t i = 0; i < fv->n; i++)
			fprintf(out, " %s=@fd:%d", path, fv->v[i]);
		break;
	case T_LIST:
		print_list(out, f, at, path);
		break;
	case T_NESTED:
		snprintf(inner, sizeof(inner), "%.220s.", path);
		if (*(const char *const *)at)
			print_struct(out, field_schema(f), *(const char *const *)at, inner);
		break;
	}
}

static void print_struct(FILE *out, const struct schema *s, const char *obj, const char *prefix)
{
	char path[PATH_MAX_DEPTH + 64];

	for (uint32_t i = 0; i < s->n_fields; i++) {
		snprintf(path, sizeof(path), "%s%s", prefix, s->fields[i].name);
		print_field(out, &s->fields[i], obj + s->fields[i].offset, path);
	}
}

int text_print(enum msg_type type, const void *msg, char **ret)
{
	const struct schema *s = msg_row(type)->schema;
	size_t n;
	FILE *out = open_memstream(ret, &n);

	if (!out)
		return -ENOMEM;
	fputs(s->name, out);
	print_struct(out, s, msg, "");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}
