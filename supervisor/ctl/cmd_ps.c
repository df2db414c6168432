/* SPDX-License-Identifier: MIT */
/*
 * ps: the containers, in docker's columns.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/util.h"
#include "container.h"
#include "filters.h"
#include "format.h"
#include "ports.h"
#include "rows.h"
#include "table.h"
#include "words.h"

struct ps_options {
	bool all, quiet, latest, no_trunc;
	const char *last, *format;
	struct strv filter;
};

static int check_last(const char *s, struct err *e)
{
	int64_t v;

	return parse_i64(s, -1, INT32_MAX, &v) < 0 ? err_set(e, EINVAL, "\"%.32s\" is no number", s)
						   : 0;
}

static bool is_one_of(const char *s, size_t n, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == n && memcmp(*words, s, n) == 0)
			return true;
	return false;
}

static int check_filter(const char *s, struct err *e)
{
	static const char *const keys[] = {
		"name", "id", "status", "exited", "label", "ancestor", "network", "health", NULL};
	static const char *const statuses[] = {
		"created", "running", "exited", "paused", "restarting", "removing", "dead", NULL};
	static const char *const healths[] = {"starting", "healthy", "unhealthy", "none", NULL};
	size_t n = strcspn(s, "=");
	const char *value = s + n + 1;
	uint32_t code;

	if (!is_one_of(s, n, keys) || s[n] != '=')
		return err_set(e, EINVAL,
			"\"%.64s\" is no filter: name=, id=, status=, exited=, label=, ancestor=, network=, health=",
			s);
	if (s[0] == 'n' && s[1] == 'a')
		return filter_check_name(value, e);
	if (*s == 'e' && num_parse_u32(value, 0, 255, &code) < 0)
		return err_set(e, EINVAL, "\"%.32s\" is no exit code: 0 to 255", value);
	if (*s == 's' && !is_one_of(value, strlen(value), statuses))
		return err_set(e, EINVAL,
			"\"%.32s\" is no status: created, running, paused, restarting or exited",
			value);
	if (*s == 'h' && !is_one_of(value, strlen(value), healths))
		return err_set(e, EINVAL,
			"\"%.32s\" is none of starting, healthy, unhealthy and none", value);
	return 0;
}

#define AT(field) offsetof(struct ps_options, field)
static const struct flag ps_flags[] = {
	{"all", 'a', FLAG_BOOL, AT(all), NULL, NULL, "those not running too"},
	{"quiet", 'q', FLAG_BOOL, AT(quiet), NULL, NULL, "ids only"},
	{"last", 'n', FLAG_STRING, AT(last), check_last, "N", "the newest N, running or not"},
	{"latest", 'l', FLAG_BOOL, AT(latest), NULL, NULL, "the newest, running or not"},
	{"no-trunc", 0, FLAG_BOOL, AT(no_trunc), NULL, NULL, "cut nothing short"},
	{"format", 0, FLAG_STRING, AT(format), check_rows_format, "FORMAT",
		"json, table or a template"},
	{"filter", 'f', FLAG_LIST, AT(filter), check_filter, "KEY=VALUE", "only those that match"},
	{"size", 's', FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};
#undef AT

/* By what was typed at run, with or without the tag, or by id. */
static bool has_ancestor(const struct container_row *row, const char *wanted)
{
	const char *image = row->image ? row->image : "", *id = row->image_id ? row->image_id : "";
	size_t n = strlen(wanted);

	if (filter_is_image(image, wanted))
		return true;
	if (strncmp(wanted, image, strlen(image)) == 0 &&
		strcmp(wanted + strlen(image), ":latest") == 0)
		return *image;
	return n >= 4 &&
	       (strncmp(id, wanted, n) == 0 || strncmp(id + strcspn(id, ":") + 1, wanted, n) == 0);
}

static bool matches(const void *arg, const char *filter)
{
	const struct container_row *row = arg;
	const char *value = strchr(filter, '=') + 1;
	uint32_t code;

	switch (filter[0]) {
	case 'n':
		return filter[1] == 'a' ? filter_is_name(row->name, value)
					: row->network && strcmp(row->network, value) == 0;
	case 'i':
		return strncmp(row->id, value, strlen(value)) == 0;
	case 's':
		return strcmp(row->status, value) == 0;
	case 'h':
		return strcmp(row->health ? row->health : "none", value) == 0;
	case 'e':
		return strcmp(row->status, "exited") == 0 &&
		       num_parse_u32(value, 0, 255, &code) == 0 && row->exit_code == code;
	case 'l':
		return has_label(&row->labels, value);
	default:
		return has_ancestor(row, value);
	}
}

struct listing {
	const struct ps_options *o;
	json_t *rows;
	uint64_t now, left;
};

static void status_words(const struct container_row *row, uint64_t now, char out[64])
{
	char span[32];

	bool paused = strcmp(row->status, "paused") == 0;

	if (paused || strcmp(row->status, "running") == 0) {
		table_duration(now > row->started_at ? now - row->started_at : 0, span);
		snprintf(out, 64, "Up %s%s", span, paused ? " (Paused)" : "");
		if (!paused && row->health)
			snprintf(out + strlen(out), 64 - strlen(out), " (%s%s)",
				strcmp(row->health, "starting") == 0 ? "health: " : "",
				row->health);
	} else if (strcmp(row->status, "exited") == 0 || strcmp(row->status, "restarting") == 0) {
		table_duration(now > row->finished_at ? now - row->finished_at : 0, span);
		snprintf(out, 64, "%s (%u) %s ago", *row->status == 'e' ? "Exited" : "Restarting",
			row->exit_code, span);
	} else {
		snprintf(out, 64, "%c%s", row->status[0] ? row->status[0] & ~0x20 : ' ',
			row->status[0] ? row->status + 1 : "");
	}
}

/* "command" in quotes; 20 characters of it and … unless nothing is to be cut. */
static json_t *command_words(const char *command, bool whole)
{
	char out[600];
	size_t n = 0;

	for (uint32_t chars = 0; command[n]; n++) {
		chars += ((unsigned char)command[n] & 0xc0) != 0x80;
		if (!whole && chars == 20 && table_width(command) > 20)
			break;
	}
	snprintf(out, sizeof(out), "\"%.*s%s\"", (int)MIN(n, (size_t)580), command,
		command[n] ? "…" : "");
	return json_text(out);
}

static json_t *row_json(const struct container_row *row, const struct listing *l)
{
	const struct port_list list = {row->ports.v, row->ports.n};
	_cleanup_free_ char *ports = ports_words(&list);
	char status[64], span[32], ago[40], when[64];
	json_t *j = json_object();
	bool whole = l->o->no_trunc;

	status_words(row, l->now, status);
	table_duration(l->now > row->created_at ? l->now - row->created_at : 0, span);
	snprintf(ago, sizeof(ago), "%s ago", span);
	words_time_local(row->created_at, when);
	json_object_set_new(j, "Command", command_words(row->command ? row->command : "", whole));
	json_object_set_new(j, "CreatedAt", json_text(when));
	json_object_set_new(j, "ID",
		json_stringn(row->id, whole ? strlen(row->id) : MIN(strlen(row->id), (size_t)12)));
	json_object_set_new(j, "Image", json_text(row->image ? row->image : ""));
	json_object_set_new(j, "Labels", rows_labels(row->labels.v, row->labels.n));
	json_object_set_new(j, "LocalVolumes", json_text("0"));
	json_object_set_new(j, "Mounts", json_text(""));
	json_object_set_new(j, "Names", json_text(row->name));
	json_object_set_new(j, "Networks", json_text(row->network ? row->network : ""));
	json_object_set_new(
		j, "Ports", json_text(container_is_up(row->status) && ports ? ports : ""));
	json_object_set_new(j, "RunningFor", json_text(ago));
	json_object_set_new(j, "Size", json_text("0B"));
	json_object_set_new(j, "State", json_text(row->status));
	json_object_set_new(j, "Status", json_text(status));
	return j;
}

static int take_row(void *arg, const struct container_row *row)
{
	struct listing *l = arg;

	if (!filters_pass(&l->o->filter, matches, row))
		return 0;
	if (l->left == 0)
		return 1;
	l->left--;
	if (l->o->quiet && !l->o->format) {
		printf("%.*s\n", l->o->no_trunc ? 64 : 12, row->id);
		return 0;
	}
	return json_array_append_new(l->rows, row_json(row, l)) < 0 ? -ENOMEM : 0;
}

static json_t *headers(void)
{
	static const char *const names[][2] = {{"Command", "COMMAND"}, {"CreatedAt", "CREATED AT"},
		{"ID", "CONTAINER ID"}, {"Image", "IMAGE"}, {"Labels", "LABELS"},
		{"LocalVolumes", "LOCAL VOLUMES"}, {"Mounts", "MOUNTS"}, {"Names", "NAMES"},
		{"Networks", "NETWORKS"}, {"Ports", "PORTS"}, {"RunningFor", "CREATED"},
		{"Size", "SIZE"}, {"State", "STATE"}, {"Status", "STATUS"}};
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(j, names[i][0], json_text(names[i][1]));
	return j;
}

/* -n, -l and filters by status look at all of them. */
static bool wants_all(const struct ps_options *o, uint64_t last)
{
	bool all = o->all || o->latest || last != UINT64_MAX;

	for (uint32_t i = 0; i < o->filter.n; i++)
		all = all || o->filter.v[i][0] == 's' || o->filter.v[i][0] == 'e';
	return all;
}

static int cmd_ps(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct ps_options *o = options;
	struct listing l = {.o = o, .left = UINT64_MAX, .now = words_now()};
	struct rows_setup setup = {.format = o->format,
		.columns =
			"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"};
	int64_t last = -1;
	int r;

	(void)operands;
	if (o->last)
		(void)parse_i64(o->last, -1, INT32_MAX, &last);
	if (o->latest || last >= 0)
		l.left = o->latest ? 1 : (uint64_t)last;
	r = ctl_connect(c, e);
	if (r < 0)
		return r;
	l.rows = json_array();
	setup.headers = headers();
	r = container_each(c, wants_all(o, l.left), take_row, &l, e);
	if (r == 0 && (!o->quiet || o->format))
		r = rows_print(&setup, l.rows, e);
	json_decref(setup.headers);
	json_decref(l.rows);
	return r;
}

const struct command command_ps = {"ps", "", "List containers", ps_flags, sizeof(struct ps_options),
	0, 0, false, EXIT_OBJECT, cmd_ps};
