/* SPDX-License-Identifier: MIT */
/*
 * --format: the part of Go's templates that docker's users write.
 *
 *	text \t \n {{.A.B}} {{.}} {{json .A}} {{index .A "key"}} {{"text"}} {{len .A}}
 *	{{range .A}}…{{else}}…{{end}} {{if .A}}…{{else}}…{{end}}
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* Writes the template filled in from the value, without a newline of its own. -EINVAL with a
 * sentence, and nothing written, for what is no such template or names a field that there is not.
 * `visible`: control characters in values are shown, for terminals. */
int format_print(const char *template, json_t *value, bool visible, FILE *out, struct err *e);

/* Only the syntax. */
int check_format(const char *template, struct err *e);

/* A string of any bytes: what is no UTF-8 becomes U+FFFD. */
json_t *json_text(const char *s);
