/* SPDX-License-Identifier: MIT */
/*
 * export: a container's file system as a tar archive. Nothing here looks into what comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "parse.h"
#include "pour.h"
#include "side.h"
#include "visit.h"

struct export_options {
	const char *output;
};
#define AT(field) offsetof(struct export_options, field)
static const struct flag export_flags[] = {
	{"output", 'o', FLAG_STRING, AT(output), check_not_empty, "FILE", "write it there"},
	{.kind = FLAG_END},
};
#undef AT

static int cmd_export(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct export_options *o = options;
	struct visit v = {.ref = operands->v[0], .name = "export", .far_in = -1, .far_out = -1};
	_cleanup_side_ struct side side = SIDE_NONE;
	_cleanup_fd_ int near = -1;
	struct pour pour = {.path = o->output};
	int r;

	c->object = v.ref;
	if (!o->output && isatty(STDOUT_FILENO))
		return err_set(e, EINVAL,
			"an archive is nothing for a terminal: redirect it, or name a file with -o");
	r = visit_pipe(true, &near, &v.far_out, e);
	pour.from = near;
	if (r == 0)
		r = side_start(&side, &(struct side_call){pour_out, &pour, &near, v.far_out}, e);
	if (r == 0)
		r = ctl_connect(c, e);
	return r < 0 ? r : visit_from(c, &v, &side, e);
}

const struct command command_export = {"export", "CONTAINER",
	"Write a container's file system to a tar archive", export_flags,
	sizeof(struct export_options), 1, 1, false, EXIT_OBJECT, cmd_export};
