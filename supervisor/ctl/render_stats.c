/* SPDX-License-Identifier: MIT */
/*
 * What containers use, in words; see render_stats.h.
 */
#include "render_stats.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/fd.h"
#include "base/num.h"
#include "format.h"
#include "render.h"

#define LINK_FILE_MAX 512

/* A file of the link's, without its newline; "" when it can't be read. */
static void link_file(const struct stats_row *row, const char *name, char buf[LINK_FILE_MAX])
{
	_cleanup_free_ char *text = NULL;
	char path[128];

	/* As netd's names_link has it, of the default network: no other has containers yet. */
	snprintf(path, sizeof(path), "/sys/class/net/bh%.10s/%s", row->id, name);
	buf[0] = '\0';
	if (fd_read_file_at(AT_FDCWD, path, LINK_FILE_MAX, &text, NULL) == 0)
		snprintf(buf, LINK_FILE_MAX, "%.*s", (int)strcspn(text, "\n"), text);
}

/* The name holds ten digits of the id, the alias all of them. What the host's end has sent is what
 * the container has received. */
void stats_read_network(struct stats_row *row)
{
	char alias[LINK_FILE_MAX], in[LINK_FILE_MAX], out[LINK_FILE_MAX];

	link_file(row, "ifalias", alias);
	link_file(row, "statistics/tx_bytes", in);
	link_file(row, "statistics/rx_bytes", out);
	row->has_network = strstr(alias, row->id) &&
			   num_parse_u64(in, 0, UINT64_MAX, &row->received) == 0 &&
			   num_parse_u64(out, 0, UINT64_MAX, &row->sent) == 0;
}

uint64_t stats_cpu(const struct stats_row *row, const struct stats_row *before)
{
	uint64_t span, used;

	if (!before || row->usage.taken_at <= before->usage.taken_at ||
		row->usage.cpu_ns < before->usage.cpu_ns)
		return 0; /* started anew between them */
	span = row->usage.taken_at - before->usage.taken_at;
	used = row->usage.cpu_ns - before->usage.cpu_ns;
	return (uint64_t)((double)used * 10000 / (double)span);
}

static uint64_t without_cache(const struct counters *u)
{
	return u->memory > u->memory_cache ? u->memory - u->memory_cache : 0;
}

/* What the host has is a limit, too. */
static uint64_t limit_of(const struct stats_row *row)
{
	struct sysinfo si = {0};
	uint64_t all;

	if (sysinfo(&si) < 0)
		return row->memory_limit;
	all = (uint64_t)si.totalram * si.mem_unit;
	return row->memory_limit && row->memory_limit < all ? row->memory_limit : all;
}

static void put_percent(json_t *j, const char *key, uint64_t hundredths)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%02" PRIu64 "%%", hundredths / 100,
		hundredths % 100);
	render_text(j, key, text);
}

static void put_pair(json_t *j, const char *key, const char *a, const char *b)
{
	char text[64];

	snprintf(text, sizeof(text), "%s / %s", a, b);
	render_text(j, key, text);
}

static void put_pressure(json_t *j, const struct counters *u)
{
	json_t *p = json_object();

	json_object_set_new(p, "cpu", json_real((double)u->cpu_pressure / 100));
	json_object_set_new(p, "memory", json_real((double)u->memory_pressure / 100));
	json_object_set_new(p, "io", json_real((double)u->io_pressure / 100));
	json_object_set_new(j, "pressure", u->has_pressure ? p : json_null());
	if (!u->has_pressure)
		json_decref(p);
}

static json_t *numbers(const struct stats_row *row)
{
	const struct counters *u = &row->usage;
	const struct {
		const char *name;
		uint64_t v;
	} rows[] = {{"cpu_ns", u->cpu_ns}, {"throttled_ns", u->throttled_ns}, {"memory", u->memory},
		{"memory_cache", u->memory_cache}, {"memory_peak", u->memory_peak},
		{"memory_limit", row->memory_limit}, {"oom_kills", u->oom_kills}, {"pids", u->pids},
		{"pids_hits", u->pids_hits}, {"read_bytes", u->read_bytes},
		{"write_bytes", u->write_bytes}, {"received_bytes", row->received},
		{"sent_bytes", row->sent}};
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		render_number(
			j, rows[i].name, rows[i].v > INT64_MAX ? INT64_MAX : (int64_t)rows[i].v);
	put_pressure(j, u);
	return j;
}

static void put_numbers(json_t *j, const struct stats_row *row, const struct stats_row *before)
{
	const struct counters *u = &row->usage;
	uint64_t limit = limit_of(row), used = without_cache(u);
	char a[16], b[16];

	put_percent(j, "CPUPerc", stats_cpu(row, before));
	put_pair(j, "MemUsage", num_format_binary_size(used, a), num_format_binary_size(limit, b));
	put_percent(
		j, "MemPerc", limit ? (uint64_t)((double)used * 10000 / (double)limit + 0.5) : 0);
	if (row->has_network)
		put_pair(j, "NetIO", num_format_size(row->received, a),
			num_format_size(row->sent, b));
	put_pair(j, "BlockIO", num_format_size(u->read_bytes, a),
		num_format_size(u->write_bytes, b));
	snprintf(a, sizeof(a), "%" PRIu64, u->pids);
	render_text(j, "PIDs", a);
	json_object_set_new(j, "Usage", numbers(row));
}

json_t *stats_json(const struct stats_row *row, const struct stats_row *before, bool whole)
{
	static const char *const empty[] = {
		"CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"};
	char id[65];
	json_t *j = json_object();

	snprintf(id, sizeof(id), "%.*s", whole ? 64 : 12, row->id);
	render_text(j, "ID", id);
	render_text(j, "Container", id);
	render_text(j, "Name", row->name);
	for (size_t i = 0; i < ARRAY_LEN(empty); i++)
		render_text(j, empty[i], "--");
	if (row->running)
		put_numbers(j, row, before);
	else
		json_object_set_new(j, "Usage", json_null());
	return j;
}

json_t *stats_headers(void)
{
	static const char *const names[][2] = {{"ID", "CONTAINER ID"}, {"Container", "CONTAINER"},
		{"Name", "NAME"}, {"CPUPerc", "CPU %"}, {"MemUsage", "MEM USAGE / LIMIT"},
		{"MemPerc", "MEM %"}, {"NetIO", "NET I/O"}, {"BlockIO", "BLOCK I/O"},
		{"PIDs", "PIDS"}, {"Usage", "USAGE"}};
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(j, names[i][0], json_text(names[i][1]));
	return j;
}
