/* SPDX-License-Identifier: MIT */
/*
 * top: the processes of a running container. No ps of the container's is run, so there are no
 * options for one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/num.h"
#include "table.h"
#include "visit.h"

enum { USER, PID, PPID, C, START, TTY, TIME, COMMAND, COLUMNS };

/* As ps has it: the time of today, else the day, else the year. */
static void start_text(const char *seconds, char out[32])
{
	time_t start = strtoll(seconds, NULL, 10), now = time(NULL);
	struct tm s, n;

	localtime_r(&start, &s);
	localtime_r(&now, &n);
	strftime(out, 32,
		s.tm_year != n.tm_year	 ? "%Y"
		: s.tm_yday != n.tm_yday ? "%b%d"
					 : "%H:%M",
		&s);
}

static void time_text(const char *seconds, char out[32])
{
	uint64_t t = strtoull(seconds, NULL, 10);

	snprintf(out, 32, "%02lu:%02lu:%02lu", t / 3600, t / 60 % 60, t % 60);
}

/* Cuts a line up in place; the last column takes the rest. */
static bool split(char *line, char *cells[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++) {
		cells[i] = line;
		line = i < COLUMNS - 1 ? strchr(line, '\t') : NULL;
		if (line)
			*line++ = '\0';
		else if (i < COLUMNS - 1)
			return false;
	}
	return true;
}

static int add_line(struct table *t, char *line, struct err *e)
{
	char *cells[COLUMNS], start[32], spent[32];

	if (!split(line, cells))
		return err_set(e, EBADMSG, "the engine's answer is damaged");
	start_text(cells[START], start);
	time_text(cells[TIME], spent);
	cells[START] = start;
	cells[TIME] = spent;
	return table_row(t, (const char *const *)cells, COLUMNS) < 0
		       ? err_set(e, ENOMEM, "out of memory")
		       : 0;
}

static int print(char *text, struct err *e)
{
	_cleanup_table_ struct table t = {0};
	char *line, *rest = NULL;
	int r = table_row_text(&t, "UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD");

	for (line = strtok_r(text, "\n", &rest); r == 0 && line; line = strtok_r(NULL, "\n", &rest))
		r = add_line(&t, line, e);
	if (r == 0)
		table_print(&t);
	return r;
}

static int cmd_top(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	struct visit v = {.ref = operands->v[0], .name = "top", .far_in = -1, .far_out = -1};
	struct visit_text text = {0};
	_cleanup_fd_ int near = -1;
	int r;

	(void)options;
	c->object = v.ref;
	r = ctl_connect(c, e);
	if (r == 0)
		r = visit_pipe(true, &near, &v.far_out, e);
	if (r == 0)
		r = visit_run(c, &v, take_fd(&near), &text, e);
	if (r == 0 && text.p)
		r = print(text.p, e);
	free(text.p);
	return r;
}

const struct command command_top = {"top", "CONTAINER", "Show the processes of a running container",
	NULL, 0, 1, 1, false, EXIT_OBJECT, cmd_top};
