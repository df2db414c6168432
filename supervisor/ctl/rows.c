/* SPDX-License-Identifier: MIT */
/*
 * Lists of ps and images; see rows.h.
 */
#include "rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "format.h"
#include "table.h"

/* The template behind "table", or NULL. */
static const char *table_template(const char *format)
{
	if (!*format) /* docker's: as if nothing was said */
		return format;
	return strncmp(format, "table", 5) == 0 && (format[5] == ' ' || !format[5])
		       ? format + 5 + strspn(format + 5, " ")
		       : NULL;
}

int check_rows_format(const char *s, struct err *e)
{
	const char *t = table_template(s);

	return strcmp(s, "json") == 0 ? 0 : check_format(t ? t : s, e);
}

static int add_row(struct table *table, const char *template, json_t *values, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	r = format_print(template, values, false, f, e);
	fclose(f);
	if (r < 0)
		return r;
	return table_row_text(table, text) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int print_table(const char *template, json_t *headers, json_t *rows, struct err *e)
{
	_cleanup_table_ struct table table = {0};
	json_t *row;
	size_t i;
	int r = add_row(&table, template, headers, e);

	json_array_foreach(rows, i, row) if (r == 0) r = add_row(&table, template, row, e);
	if (r == 0)
		table_print(&table);
	return r;
}

static void print_json(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_dumpf(row, stdout,
			JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0));
		putchar('\n');
	}
}

int rows_print(const struct rows_setup *setup, json_t *rows, struct err *e)
{
	const char *table = setup->format ? table_template(setup->format) : "";
	bool visible = isatty(STDOUT_FILENO);
	json_t *row;
	size_t i;

	if (table)
		return print_table(*table ? table : setup->columns, setup->headers, rows, e);
	if (strcmp(setup->format, "json") == 0) {
		print_json(rows);
		return 0;
	}
	json_array_foreach(rows, i, row)
	{
		int r = format_print(setup->format, row, visible, stdout, e);

		if (r < 0)
			return err_prefix(e, "--format");
		putchar('\n');
	}
	return 0;
}

json_t *rows_labels(const char *const *v, unsigned int n)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "%s%s", i ? "," : "", v[i]);
	fclose(f);
	return json_text(text);
}
