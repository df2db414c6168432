/* SPDX-License-Identifier: MIT */
/*
 * Error sentences. Formats into fixed buffers only, so it works when memory is out.
 */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A cut must not leave half a UTF-8 character behind. */
static void text_trim(char *s)
{
	size_t n = strlen(s);

	if (n < ERR_TEXT_MAX - 1)
		return;
	while (n > 0 && ((unsigned char)s[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && ((unsigned char)s[n - 1] & 0x80))
		n--;
	s[n] = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	code = code < 0 ? -code : code;
	if (!e)
		return -code;
	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	text_trim(e->text);
	return -code;
}

int err_errno(struct err *e, int code, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX], sys[64];
	const char *name;
	va_list ap;

	code = code < 0 ? -code : code;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	name = strerrordesc_np(code);
	if (!name) {
		snprintf(sys, sizeof(sys), "error %d", code);
		name = sys;
	}
	err_set(e, code, "%.190s: %s", words, name);
	/* strerrordesc_np starts with a capital; a sentence in the middle does not. */
	if (e) {
		char *p = strrchr(e->text, ':');

		if (p && p[1] == ' ' && p[2] >= 'A' && p[2] <= 'Z' && p[3] >= 'a')
			p[2] = (char)(p[2] - 'A' + 'a');
	}
	return -code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX], old[ERR_TEXT_MAX];
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	memcpy(old, e->text, sizeof(old));
	return err_set(e, e->code, "%s: %s", words, old);
}
