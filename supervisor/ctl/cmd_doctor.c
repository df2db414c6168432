/* SPDX-License-Identifier: MIT */
/*
 * doctor: what this host lacks for the engine's protections. Goes through the table of doctor.h and
 * what the engine's own processes tell; says nothing of rows it can't look into.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "command.h"
#include "doctor.h"
#include "format.h"
#include "table.h"

struct doctor_options {
	const char *format;
};

static int check_doctor_format(const char *s, struct err *e)
{
	return strcmp(s, "json") == 0
		       ? 0
		       : err_set(e, EINVAL, "--format \"%.64s\": only json is known", s);
}

static const struct flag doctor_flags[] = {
	{"format", 'f', FLAG_STRING, offsetof(struct doctor_options, format), check_doctor_format,
		"FORMAT", "json"},
	{.kind = FLAG_END},
};

static const char *const levels[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_WEAKER] = "weaker", [DOCTOR_MISSING] = "missing"};

/* The parent of the process that answers. */
static uint32_t launcher_of(uint32_t pid)
{
	char path[32], text[512];
	const char *behind;
	uint32_t parent;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (doctor_read_line(path, text, sizeof(text)) < 0)
		return 0;
	behind = strrchr(text, ')'); /* a name may hold anything, proc(5) */
	return behind && sscanf(behind, ") %*c %u", &parent) == 1 ? parent : 0;
}

static int ask_version(struct ctl *c, struct doctor_engine *g, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	const struct version m = {0};
	int r = client_call(&c->engine, MSG_version, &m, CLIENT_DEADLINE, &in, e);

	if (r < 0)
		return r;
	snprintf(g->version, sizeof(g->version), "%s", in.msg.version.version);
	g->launcher = launcher_of(in.msg.version.pid);
	return 0;
}

static int ask_info(struct ctl *c, struct doctor_engine *g, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	const struct info m = {0};
	int r = client_call(&c->engine, MSG_info, &m, CLIENT_DEADLINE, &in, e);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < in.msg.info.rows.n; i++)
		sscanf(in.msg.info.rows.v[i], "UidRange=%u-%u", &g->uids[0], &g->uids[1]);
	return 0;
}

/* An engine that can't be reached, or not by this user, is a row like others. */
static void ask_engine(struct ctl *c, struct doctor_engine *g, struct incoming *facts)
{
	const struct facts m = {0};
	struct err e = {0};
	int r = ctl_connect(c, &e);

	if (r == 0)
		r = ask_version(c, g, &e);
	if (r == 0)
		r = ask_info(c, g, &e);
	if (r == 0)
		r = client_call(&c->engine, MSG_facts, &m, CLIENT_DEADLINE, facts, &e);
	if (r == 0)
		return;
	incoming_free(facts); /* may hold the refusal */
	*facts = (struct incoming){0};
	snprintf(g->complaint, sizeof(g->complaint), "%s", e.text);
}

static void report_add(json_t *report, enum doctor_level level, const char *name, const char *found,
	const char *instead, const char *mend)
{
	json_t *j;

	if (level == DOCTOR_UNKNOWN)
		return;
	j = json_pack(
		"{s:s,s:s,s:o}", "Name", name, "Level", levels[level], "Found", json_text(found));
	if (level != DOCTOR_OK && instead)
		json_object_set_new(j, "Instead", json_text(instead));
	if (level != DOCTOR_OK && mend)
		json_object_set_new(j, "Mend", json_text(mend));
	json_array_append_new(report, j);
}

static void add_fact(json_t *report, const struct fact *f, const struct doctor_row *row)
{
	enum doctor_level level = DOCTOR_OK;

	while (level < DOCTOR_MISSING && strcmp(f->level, levels[level]) != 0)
		level++;
	report_add(report, level, f->name, f->found, f->instead || !row ? f->instead : row->instead,
		f->mend || !row ? f->mend : row->mend);
}

static const struct fact *fact_of(const struct facts_are *facts, const char *name)
{
	for (uint32_t i = 0; i < facts->facts.n; i++)
		if (strcmp(facts->facts.v[i].name, name) == 0)
			return &facts->facts.v[i];
	return NULL;
}

static bool has_row(const char *name)
{
	const struct doctor_row *row = doctor_rows;

	while (row->name && strcmp(row->name, name) != 0)
		row++;
	return row->name;
}

/* What the engine has found out itself stands in place of what ctl sees. */
static void go_through_rows(
	const struct doctor_engine *g, const struct facts_are *facts, json_t *report)
{
	char found[DOCTOR_FOUND_MAX];

	for (const struct doctor_row *row = doctor_rows; row->name; row++) {
		const struct fact *f = fact_of(facts, row->name);

		if (f)
			add_fact(report, f, row);
		else
			report_add(report, row->check(g, row, found), row->name, found,
				row->instead, row->mend);
	}
	for (uint32_t i = 0; i < facts->facts.n; i++)
		if (!has_row(facts->facts.v[i].name))
			add_fact(report, &facts->facts.v[i], NULL);
}

static const char *text_of(const json_t *report, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(report, i), key));
}

static void print_row(const json_t *report, size_t i, int width)
{
	const char *instead = text_of(report, i, "Instead"), *mend = text_of(report, i, "Mend");
	char line[2048], text[2048];

	snprintf(line, sizeof(line), "%s%s%s%s%s", text_of(report, i, "Found"), instead ? ": " : "",
		instead ? instead : "", mend ? "; to mend it: " : "", mend ? mend : "");
	printf("%-7s  %-*s  %s\n", text_of(report, i, "Level"), width, text_of(report, i, "Name"),
		table_visible(line, text, sizeof(text)));
}

static void print_report(const json_t *report)
{
	size_t n = json_array_size(report);
	int width = 0;

	for (size_t i = 0; i < n; i++)
		width = MAX(width, (int)strlen(text_of(report, i, "Name")));
	for (size_t i = 0; i < n; i++)
		print_row(report, i, width);
}

static bool lacks(const json_t *report)
{
	for (size_t i = 0; i < json_array_size(report); i++)
		if (strcmp(text_of(report, i, "Level"), levels[DOCTOR_MISSING]) == 0)
			return true;
	return false;
}

static int cmd_doctor(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct doctor_options *o = options;
	struct doctor_engine g = {.socket = c->socket};
	_cleanup_incoming_ struct incoming in = {0};
	json_t *report = json_array();
	int r;

	(void)operands;
	(void)e;
	ask_engine(c, &g, &in);
	go_through_rows(&g, &in.msg.facts, report);
	if (o->format) {
		json_dumpf(report, stdout, JSON_INDENT(4));
		putchar('\n');
	} else {
		print_report(report);
	}
	r = lacks(report) ? EXIT_OBJECT : 0;
	json_decref(report);
	return r;
}

const struct command command_doctor = {"doctor", "",
	"What this host lacks for the engine's protections", doctor_flags,
	sizeof(struct doctor_options), 0, 0, false, EXIT_OBJECT, cmd_doctor};
