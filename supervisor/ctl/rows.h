/* SPDX-License-Identifier: MIT */
/*
 * Lists of ps and images: rows are JSON objects with docker's field names, printed as a table, by a
 * template, or one JSON object a line.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

struct rows_setup {
	const char *format;  /* NULL, "json", "table", "table TEMPLATE" or TEMPLATE */
	const char *columns; /* of the plain table, a template */
	json_t *headers;     /* field: column name; borrowed */
};

/* For a flag's row. */
int check_rows_format(const char *s, struct err *e);

/* Prints; rows is an array, borrowed. */
int rows_print(const struct rows_setup *setup, json_t *rows, struct err *e);

/* key in text: docker's "a=b,c=d" of labels. Returns a new reference. */
json_t *rows_labels(const char *const *v, unsigned int n);
