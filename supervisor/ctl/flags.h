/* SPDX-License-Identifier: MIT */
/*
 * Command-line flags by table, in docker's syntax: --name=value, --name value, -n value, -nvalue,
 * -it bundles, --bool=false, `--` ends the flags, repeated flags collect.
 */
#pragma once

#include <stdbool.h>

#include "codec.h"

enum flag_kind {
	FLAG_END,    /* closes a table */
	FLAG_BOOL,   /* bool */
	FLAG_NOT,    /* bool that --name=false sets: for what is on by default */
	FLAG_STRING, /* const char *, NULL when not given; the last one counts */
	FLAG_LIST,   /* struct strv */
	FLAG_LATER,  /* known from docker, refused here: named so that the error can say it */
};

struct flag {
	const char *name; /* long, without dashes; NULL: a letter only */
	char letter;	  /* 0: none */
	enum flag_kind kind;
	size_t offset;					/* into the options structure */
	int (*check)(const char *value, struct err *e); /* NULL: any value */
	const char *value;				/* word for the value in help */
	const char *help;				/* NULL: another spelling, not listed */
};

struct flags_input {
	const struct flag *table; /* NULL: none */
	int argc;
	char **argv;	      /* behind the command's name */
	bool stop_at_operand; /* all behind the first operand belongs to it */
};

/* Fills *options (zeroed or with defaults by the caller) and *ret_operands; both point into argv
 * and the arena. Returns 0, 1 when help was asked for, or -EINVAL with a sentence; nothing is done
 * by then. */
int flags_parse(const struct flags_input *in, struct arena *a, void *options,
	struct strv *ret_operands, struct err *e);

/* The list of flags for --help, on stdout. */
void flags_print(const struct flag *table);

/* true, false, 1, 0, t, f in the spellings docker takes; -EINVAL. */
int flags_parse_bool(const char *s, bool *ret);

/* Appends to a list that grows in the arena; item is kept, not copied. -ENOMEM. */
int strv_append(struct arena *a, struct strv *list, const char *item);
/* Room for one more in a LISTOF field whose elements are of `size` bytes; returns it zeroed, or
 * NULL. */
void *list_append(struct arena *a, void *list_field, size_t size);
