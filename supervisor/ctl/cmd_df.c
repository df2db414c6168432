/* SPDX-License-Identifier: MIT */
/*
 * system df: what images and containers take of the disk, as du(1) has it.
 */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"
#include "command.h"
#include "format.h"
#include "rows.h"

struct df_options {
	const char *format;
};

static const struct flag df_flags[] = {
	{"format", 0, FLAG_STRING, offsetof(struct df_options, format), check_rows_format, "FORMAT",
		"json, table or a template"},
	{"verbose", 'v', FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};

static json_t *df_row(
	const char *type, uint32_t total, uint32_t active, uint64_t bytes, uint64_t reclaimable)
{
	char size[16], count[2][16], words[40];
	json_t *j = json_object();

	snprintf(count[0], sizeof(count[0]), "%u", total);
	snprintf(count[1], sizeof(count[1]), "%u", active);
	num_format_size(reclaimable, size);
	snprintf(words, sizeof(words), "%s (%u%%)", size,
		bytes ? (unsigned int)(100.0 * (double)MIN(reclaimable, bytes) / (double)bytes)
		      : 0);
	json_object_set_new(j, "Active", json_text(count[1]));
	json_object_set_new(j, "Reclaimable", json_text(words));
	json_object_set_new(j, "Size", json_text(num_format_size(bytes, size)));
	json_object_set_new(j, "TotalCount", json_text(count[0]));
	json_object_set_new(j, "Type", json_text(type));
	json_object_set_new(j, "Bytes", json_integer((json_int_t)bytes));
	return j;
}

static int add_images(struct ctl *c, json_t *rows, struct err *e)
{
	const struct image_usage ask = {0};
	_cleanup_incoming_ struct incoming in = {0};
	const struct image_usage_is *m = &in.msg.image_usage;
	int r = client_call(&c->engine, MSG_image_usage, &ask, CLIENT_DEADLINE, &in, e);

	if (r == 0)
		json_array_append_new(
			rows, df_row("Images", m->images, m->active, m->bytes, m->reclaimable));
	return r;
}

static int add_containers(struct ctl *c, json_t *rows, struct err *e)
{
	const struct container_usage ask = {0};
	_cleanup_incoming_ struct incoming in = {0};
	const struct container_usage_is *m = &in.msg.container_usage;
	int r = client_call(&c->engine, MSG_container_usage, &ask, 0, &in, e);

	if (r == 0)
		json_array_append_new(rows,
			df_row("Containers", m->containers, m->active, m->bytes, m->reclaimable));
	return r;
}

static int cmd_df(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	static const char *const names[][2] = {{"Active", "ACTIVE"}, {"Reclaimable", "RECLAIMABLE"},
		{"Size", "SIZE"}, {"TotalCount", "TOTAL"}, {"Type", "TYPE"}, {"Bytes", "BYTES"}};
	const struct df_options *o = options;
	struct rows_setup setup = {.format = o->format,
		.columns = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"};
	json_t *rows, *headers;
	int r = ctl_connect(c, e);

	(void)operands;
	if (r < 0)
		return r;
	rows = json_array();
	headers = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(headers, names[i][0], json_text(names[i][1]));
	setup.headers = headers;
	r = add_images(c, rows, e);
	if (r == 0)
		r = add_containers(c, rows, e);
	if (r == 0)
		r = rows_print(&setup, rows, e);
	json_decref(headers);
	json_decref(rows);
	return r;
}

const struct command command_system_df = {"system df", "",
	"What images and containers take of the disk", df_flags, sizeof(struct df_options), 0, 0,
	false, EXIT_OBJECT, cmd_df};
