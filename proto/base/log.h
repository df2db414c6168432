/* SPDX-License-Identifier: MIT */
/*
 * Log lines to stderr: `netd: info: bridge bulkhead0: created`. One write(2) a line, so lines of
 * several processes on one descriptor do not mix. The log target is the one mutable global.
 */
#pragma once

#include "err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Names the program in each line; lines below `min` are dropped. Call once in main. */
void log_open(const char *program, enum log_level min);

void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
