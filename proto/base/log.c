/* SPDX-License-Identifier: MIT */
/*
 * The log target. Untrusted bytes that reach a line are made printable here, once.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const char *log_program = "bulkhead";
static enum log_level log_min = LOG_INFO;

void log_open(const char *program, enum log_level min)
{
	log_program = program;
	log_min = min;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;
	int n, m;

	if (level < log_min)
		return;
	n = snprintf(line, sizeof(line), "%s: %s: ", log_program, level_names[level]);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = MIN(n + MAX(m, 0), (int)sizeof(line) - 2);
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return; /* nobody is left to tell */
}
