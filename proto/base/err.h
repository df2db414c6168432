/* SPDX-License-Identifier: MIT */
/*
 * One error, by value: a code for programs and one sentence for people.
 *
 * Contract. A function that can fail returns 0 or -errno and takes `struct err *e` last. Whoever
 * first meets the failure writes the sentence with err_set(); callers may put words in front with
 * err_prefix() and must not log it: only message handlers and main do. The sentence is lower case,
 * has no newline or final dot, names the thing, and says what to do where something can be done:
 *     layer sha256:ab12…: no space left on device
 * The same struct crosses sockets as the reply `failed`, so the user reads it unchanged.
 * `e` may be NULL: the code is still returned.
 */
#pragma once

#include "util.h"

#define ERR_TEXT_MAX 256

struct err {
	int code;		 /* a positive errno; 0 is no error */
	char text[ERR_TEXT_MAX]; /* NUL-terminated, cut at a whole UTF-8 character if too long */
};

/* Writes code and sentence; returns -code. `code` is a positive errno, or negative (its sign is
 * dropped), so that `return err_set(e, r, "…")` passes a result on. */
int err_set(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

/* As err_set, and appends ": " and the C library's words for the code. */
int err_errno(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

/* Puts "words: " in front of the sentence; returns -e->code. */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);

/* Codes beyond the kernel's MAX_ERRNO (4095): what the command line turns into exit codes. */
enum {
	ERR_NO_COMMAND = 4096 + 127,	 /* the command was not found in the container */
	ERR_NOT_EXECUTABLE = 4096 + 126, /* it was, but can't be executed */
};
