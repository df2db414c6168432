/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a system call that a filter traps: one line in the log that names it, and the end
 * of the process. Needs no libseccomp: whoever has met a forbidden call can't ask it any more.
 */
#pragma once

#include <stdint.h>

#include "err.h"

#define VIOLATION_CALLS 1024 /* one more than the highest number */

struct violation_names {
	uint32_t arch;		      /* AUDIT_ARCH_… of the filter */
	uint16_t at[VIOLATION_CALLS]; /* into text; 0: no such call */
	char text[32768 - 4 - VIOLATION_CALLS * sizeof(uint16_t)];
};

/* From now on, once; both are borrowed for good. Before the filter is in force. */
int violation_catch(const char *program, const struct violation_names *names, struct err *e);

/* That a filter is in force, and no_new_privs. By prctl, since /proc may be out of reach. */
int violation_prove(struct err *e);
