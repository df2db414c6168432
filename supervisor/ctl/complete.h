/* SPDX-License-Identifier: MIT */
/*
 * What may stand at the end of a command line, for the shells' completions: `ctl __complete
 * WORDS…`, the last word being the one that is typed. What there is follows from the tables of
 * commands and flags, names come from the engine.
 */
#pragma once

#include "command.h"

#define COMPLETE_COMMAND "__complete"

struct complete_setup {
	const struct command *const *commands; /* NULL-terminated */
	const struct flag *global_flags;
	const char *socket; /* unless the words name another one */
};

/* Prints one candidate a line, a tab and what it is behind it where that is known, and a last line
 * `:files` where files of the host may follow. Tells no errors: there are no candidates then.
 * Returns the exit code. */
int complete(const struct complete_setup *setup, const struct strv *words);
