/* SPDX-License-Identifier: MIT */
/*
 * top: the processes of a running container. No ps of the container's is run; its words for what is
 * to be shown are ours.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "base/fd.h"
#include "top_columns.h"
#include "visit.h"

/* Cuts a line up in place; the last field takes the rest. */
static bool split(char *line, struct top_row *row)
{
	for (int i = 0; i < TOP_FIELDS; i++) {
		row->cell[i] = line;
		line = i < TOP_FIELDS - 1 ? strchr(line, '\t') : NULL;
		if (line)
			*line++ = '\0';
		else if (i < TOP_FIELDS - 1)
			return false;
	}
	return true;
}

static int print(const struct top_layout *l, char *text, struct err *e)
{
	_cleanup_table_ struct table t = {0};
	char *line, *rest = NULL;
	struct top_row row = {0};
	struct timespec now;
	struct sysinfo host;
	int r = top_header(l, &t);

	clock_gettime(CLOCK_REALTIME, &now);
	row.now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (sysinfo(&host) == 0)
		row.memory = (uint64_t)host.totalram * host.mem_unit;
	for (line = strtok_r(text, "\n", &rest); r == 0 && line;
		line = strtok_r(NULL, "\n", &rest)) {
		if (!split(line, &row))
			return err_set(e, EBADMSG, "the engine's answer is damaged");
		r = top_add(l, &row, &t);
	}
	if (r < 0)
		return err_set(e, ENOMEM, "out of memory");
	table_print(&t);
	return 0;
}

static int cmd_top(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	struct visit v = {.ref = operands->v[0], .name = "top", .far_in = -1, .far_out = -1};
	const struct strv words = {operands->v + 1, operands->n - 1};
	struct visit_text text = {0};
	struct top_layout layout;
	_cleanup_fd_ int near = -1;
	int r = top_layout(&words, &c->arena, &layout, e);

	(void)options;
	if (r < 0)
		return r;
	c->object = v.ref;
	r = ctl_connect(c, e);
	if (r == 0)
		r = visit_pipe(true, &near, &v.far_out, e);
	if (r == 0)
		r = visit_run(c, &v, take_fd(&near), &text, e);
	if (r == 0 && text.p)
		r = print(&layout, text.p, e);
	free(text.p);
	return r;
}

const struct command command_top = {"top", "CONTAINER [PS-OPTION…]",
	"Show the processes of a running container", NULL, 0, 1, 16, true, EXIT_OBJECT, cmd_top};
