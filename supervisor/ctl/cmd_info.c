/* SPDX-License-Identifier: MIT */
/*
 * info and version.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/util.h"
#include "command.h"
#include "format.h"
#include "table.h"

struct info_options {
	const char *format;
};

static int check_info_format(const char *s, struct err *e)
{
	return strcmp(s, "json") == 0 ? 0 : check_format(s, e);
}

static const struct flag info_flags[] = {
	{"format", 'f', FLAG_STRING, offsetof(struct info_options, format), check_info_format,
		"FORMAT", "json or a template"},
	{.kind = FLAG_END},
};

static int print_formatted(const char *format, json_t *j, struct err *e)
{
	int r;

	if (strcmp(format, "json") == 0)
		format = "{{json .}}";
	r = format_print(format, j, isatty(STDOUT_FILENO), stdout, e);
	if (r == 0)
		putchar('\n');
	return r;
}

/* What is counted is a number, as docker has it. */
static json_t *info_value(const char *s)
{
	uint64_t n;

	if (num_parse_u64(s, 0, INT64_MAX, &n) == 0)
		return json_integer((json_int_t)n);
	return json_text(s);
}

static json_t *info_json(const struct info_is *m)
{
	json_t *j = json_object();

	for (uint32_t i = 0; i < m->rows.n; i++) {
		const char *row = m->rows.v[i];
		size_t n = strcspn(row, "=");

		json_object_setn_new(j, row, n, info_value(row[n] ? row + n + 1 : ""));
	}
	return j;
}

static void print_info(const struct info_is *m)
{
	char text[2048];

	for (uint32_t i = 0; i < m->rows.n; i++) {
		const char *row = table_visible(m->rows.v[i], text, sizeof(text));
		size_t n = strcspn(row, "=");

		printf("%.*s: %s\n", (int)n, row, row[n] ? row + n + 1 : "");
	}
}

static int cmd_info(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct info_options *o = options;
	_cleanup_incoming_ struct incoming in = {0};
	const struct info m = {0};
	json_t *j;
	int r = ctl_connect(c, e);

	(void)operands;
	if (r == 0)
		r = client_call(&c->engine, MSG_info, &m, CLIENT_DEADLINE, &in, e);
	if (r < 0)
		return r;
	if (!o->format) {
		print_info(&in.msg.info);
		return 0;
	}
	j = info_json(&in.msg.info);
	r = print_formatted(o->format, j, e);
	json_decref(j);
	return r;
}

const struct command command_info = {"info", "", "What the engine is and has", info_flags,
	sizeof(struct info_options), 0, 0, false, EXIT_OBJECT, cmd_info};

static json_t *version_json(const struct version_is *m)
{
	return json_pack("{s:{s:s},s:{s:s,s:s,s:i,s:o}}", "Client", "Version", BULKHEAD_VERSION,
		"Server", "Version", m->version, "Name", m->name, "Pid", (int)m->pid,
		"KernelVersion", json_text(m->kernel ? m->kernel : ""));
}

static void print_version(const struct version_is *m)
{
	printf("Client:\n Version:  %s\n\nServer:\n Version:  %s\n Name:     %s\n Kernel:   %s\n Pid:      %u\n",
		BULKHEAD_VERSION, m->version, m->name, m->kernel ? m->kernel : "", m->pid);
}

/* The client's part is told even when there is no engine. */
static int cmd_version(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct info_options *o = options;
	_cleanup_incoming_ struct incoming in = {0};
	const struct version m = {0};
	json_t *j;
	int r = ctl_connect(c, e);

	(void)operands;
	if (r == 0)
		r = client_call(&c->engine, MSG_version, &m, CLIENT_DEADLINE, &in, e);
	if (r < 0 && !o->format)
		printf("Client:\n Version:  %s\n", BULKHEAD_VERSION);
	if (r < 0)
		return r;
	if (!o->format) {
		print_version(&in.msg.version);
		return 0;
	}
	j = version_json(&in.msg.version);
	r = print_formatted(o->format, j, e);
	json_decref(j);
	return r;
}

const struct command command_version = {"version", "", "Versions of ctl and of the engine",
	info_flags, sizeof(struct info_options), 0, 0, false, EXIT_OBJECT, cmd_version};
