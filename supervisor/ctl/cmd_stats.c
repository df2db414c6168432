/* SPDX-License-Identifier: MIT */
/*
 * stats: what containers use, once or again every second, in docker's columns.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "container.h"
#include "format.h"
#include "render_stats.h"
#include "rows.h"

#define PERIOD_S 1

struct stats_options {
	bool all, no_stream, no_trunc;
	const char *format;
};

#define AT(field) offsetof(struct stats_options, field)
static const struct flag stats_flags[] = {
	{"all", 'a', FLAG_BOOL, AT(all), NULL, NULL, "those not running too"},
	{"no-stream", 0, FLAG_BOOL, AT(no_stream), NULL, NULL, "once, not every second"},
	{"no-trunc", 0, FLAG_BOOL, AT(no_trunc), NULL, NULL, "cut nothing short"},
	{"format", 0, FLAG_STRING, AT(format), check_rows_format, "FORMAT",
		"json, table or a template"},
	{.kind = FLAG_END},
};
#undef AT

/* One reading of all; what a reading's arena holds lives until the next but one is made. */
struct round {
	struct arena arena;
	struct list list; /* of struct stats_row */
};

struct watching {
	struct ctl *c;
	const struct stats_options *o;
	const struct strv *named;
	struct arena arena;
	struct strv ids; /* of those named, once the first round has found them */
	struct round rounds[2];
	unsigned int at; /* of the last one */
};

static const struct stats_row *find_before(const struct watching *w, const char *id)
{
	const struct round *r = &w->rounds[!w->at];
	const struct stats_row *rows = r->list.v;

	for (uint32_t i = 0; i < r->list.n; i++)
		if (strcmp(rows[i].id, id) == 0)
			return &rows[i];
	return NULL;
}

static int read_one(struct watching *w, const char *ref, struct err *e)
{
	const struct container_stats m = {.ref = ref};
	struct round *r = &w->rounds[w->at];
	_cleanup_incoming_ struct incoming in = {0};
	struct stats_row *row;
	int k = client_call(&w->c->engine, MSG_container_stats, &m, CLIENT_DEADLINE, &in, e);

	if (k < 0)
		return k;
	if (!in.msg.stats.usage && !w->o->all && w->named->n == 0)
		return 0;
	row = list_append(&r->arena, &r->list, sizeof(*row));
	if (!row)
		return err_set(e, ENOMEM, "out of memory");
	snprintf(row->id, sizeof(row->id), "%s", in.msg.stats.id);
	snprintf(row->name, sizeof(row->name), "%s", in.msg.stats.name);
	row->running = in.msg.stats.usage != NULL;
	if (row->running)
		row->usage = *in.msg.stats.usage;
	if (in.msg.stats.in_force)
		row->memory_limit = in.msg.stats.in_force->memory;
	stats_read_network(row);
	return 0;
}

struct ids {
	struct arena *arena;
	struct strv list;
};

static int take_id(void *arg, const struct container_row *row)
{
	struct ids *ids = arg;
	char *id = arena_strdup(ids->arena, row->id);

	return id && strv_append(ids->arena, &ids->list, id) == 0 ? 0 : -ENOMEM;
}

/* A name whose container is gone may be the beginning of another's id, or be given anew. */
static int hold_ids(struct watching *w, struct err *e)
{
	const struct round *r = &w->rounds[w->at];
	const struct stats_row *rows = r->list.v;

	for (uint32_t i = 0; i < r->list.n; i++) {
		char *id = arena_strdup(&w->arena, rows[i].id);

		if (!id || strv_append(&w->arena, &w->ids, id) < 0)
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

/* Of all of them, one that is gone by now is no error; of those that were named it is. */
static int read_round(struct watching *w, struct err *e)
{
	struct round *r = &w->rounds[w->at = !w->at];
	struct ids ids = {.arena = &r->arena};
	const struct strv *refs = w->ids.n ? &w->ids : w->named;
	int k = 0;

	arena_free(&r->arena);
	*r = (struct round){0};
	if (w->named->n == 0) {
		k = container_each(w->c, w->o->all, take_id, &ids, e);
		refs = &ids.list;
	}
	for (uint32_t i = 0; i < refs->n && k == 0; i++) {
		k = read_one(w, refs->v[i], e);
		if (k == -ENOENT && w->named->n == 0)
			k = 0;
		else if (k == -ENOENT)
			err_set(e, ENOENT, "no such container: %s", w->named->v[i]);
	}
	if (k == 0 && w->named->n && !w->ids.n)
		k = hold_ids(w, e);
	return k;
}

static int print_round(const struct watching *w, struct err *e)
{
	struct rows_setup setup = {.format = w->o->format,
		.columns =
			"{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"};
	const struct round *r = &w->rounds[w->at];
	const struct stats_row *v = r->list.v;
	json_t *rows = json_array();
	int k;

	for (uint32_t i = 0; i < r->list.n; i++)
		json_array_append_new(
			rows, stats_json(&v[i], find_before(w, v[i].id), w->o->no_trunc));
	setup.headers = stats_headers();
	if (!w->o->no_stream && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	k = rows_print(&setup, rows, e);
	json_decref(setup.headers);
	json_decref(rows);
	if (k == 0 && fflush(stdout) != 0)
		k = 1; /* main tells it */
	return k;
}

/* Processor time is told of the span between two readings: the first alone tells nothing. */
static int cmd_stats(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct timespec period = {.tv_sec = PERIOD_S};
	struct watching w = {.c = c, .o = options, .named = operands};
	int r = ctl_connect(c, e);

	if (r == 0)
		r = read_round(&w, e);
	while (r == 0) {
		nanosleep(&period, NULL);
		r = read_round(&w, e);
		if (r == 0)
			r = print_round(&w, e);
		if (w.o->no_stream)
			break;
	}
	arena_free(&w.arena);
	arena_free(&w.rounds[0].arena);
	arena_free(&w.rounds[1].arena);
	return r < 0 ? r : 0;
}

const struct command command_stats = {"stats", "[CONTAINER…]", "Show what containers use",
	stats_flags, sizeof(struct stats_options), 0, UINT32_MAX, false, EXIT_OBJECT, cmd_stats};
