/* SPDX-License-Identifier: MIT */
/*
 * Visits: execs whose program is the shim's own code (shim/visit.h), asked for by ctl.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

/* What ctl may ask for, and with how many words. */
static const struct {
	const char *name;
	uint32_t args;
} visits[] = {
	{"top", 0},
	{"export", 0},
	{"copy-out", 2},
	{"copy-in", 4},
};

int visit_check(struct exec_spec *x, struct err *e)
{
	const struct exec_spec clean = {
		.visit = x->visit, .argv = x->argv, .stdin_open = x->stdin_open};

	for (unsigned int i = 0; i < ARRAY_LEN(visits); i++) {
		if (strcmp(visits[i].name, x->visit) != 0 || visits[i].args != x->argv.n)
			continue;
		*x = clean;
		return 0;
	}
	return err_set(
		e, EINVAL, "\"%.16s\" is no visit, or not with %u arguments", x->visit, x->argv.n);
}
