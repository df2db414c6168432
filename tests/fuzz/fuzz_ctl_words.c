/* SPDX-License-Identifier: MIT */
/*
 * Any text as a template, and as the value of every flag that has a grammar: taken or refused with
 * a sentence.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "supervisor/ctl/auth.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/parse.h"
#include "supervisor/ctl/reference.h"
#include "supervisor/ctl/table.h"

#define DOCUMENT_MAX (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_value(const char *text)
{
	static int (*const checks[])(const char *, struct err *) = {check_name, check_hostname,
		check_env, check_sysctl, check_capability, check_platform, check_signal,
		check_publish, check_memory, check_cpus, check_cpuset, check_pids, check_umask,
		check_ulimit, check_mac, check_add_host, check_network, check_detach_keys,
		check_not_empty, check_absolute, check_domain, check_label, check_memory_swap,
		check_shm_size, check_cpu_period, check_cpu_quota, check_cpu_shares,
		check_swappiness, check_blkio_weight, check_device_bps, check_device_iops,
		check_oom_score, check_stop_timeout, check_ip, check_ip4, check_ip6};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err e = {0};

		if (checks[i](text, &e) < 0 && !e.text[0])
			abort();
	}
}

/* What ctl takes it can also send. */
static void must_encode(const struct schema *s, const void *obj)
{
	uint8_t *buf = NULL;
	struct err e = {0};
	size_t n;

	if (codec_encode(s, obj, DOCUMENT_MAX, NULL, &buf, &n, &e) < 0) {
		fprintf(stderr, "taken, but it can't be sent: %s\n", e.text);
		abort();
	}
	free(buf);
}

/* A line a limit; those that their check refuses are not given. */
static void as_limits(char *text)
{
	struct limit_words w = {0};
	const struct {
		const char **word;
		int (*check)(const char *, struct err *);
	} rows[] = {{&w.memory, check_memory}, {&w.memory_swap, check_memory_swap},
		{&w.memory_reservation, check_memory}, {&w.cpus, check_cpus},
		{&w.cpu_shares, check_cpu_shares}, {&w.cpu_period, check_cpu_period},
		{&w.cpu_quota, check_cpu_quota}, {&w.cpuset_cpus, check_cpuset},
		{&w.cpuset_mems, check_cpuset}, {&w.pids, check_pids},
		{&w.swappiness, check_swappiness}, {&w.blkio_weight, check_blkio_weight}};
	struct arena a = {0};
	struct limits limits;
	struct err e;
	bool any;

	for (size_t i = 0; i < ARRAY_LEN(rows) && text; i++) {
		const char *line = strsep(&text, "\n");

		if (*line && rows[i].check(line, &e) == 0)
			*rows[i].word = line;
	}
	if (parse_limits(&w, &a, &limits, &any, &e) == 0)
		must_encode(&schema_limits, &limits);
	arena_free(&a);
}

static void as_port(const char *text)
{
	struct port_list list = {0};
	struct arena a = {0};
	struct err e;

	if (parse_publish(text, &a, &list, &e) == 0)
		for (uint32_t i = 0; i < list.n; i++)
			must_encode(&schema_port, &list.v[i]);
	arena_free(&a);
}

static void as_mount(const char *text)
{
	struct arena a = {0};
	struct mount_list list = {0};
	struct err e;

	parse_volume(text, &a, &list, &e);
	parse_mount(text, &a, &list, &e);
	parse_tmpfs(text, &a, &list, &e);
	for (uint32_t i = 0; i < list.n; i++) {
		if (list.v[i].target[0] != '/' || strstr(list.v[i].target, "/../"))
			abort();
		must_encode(&schema_mount, &list.v[i]);
	}
	arena_free(&a);
}

static void as_template(const char *text)
{
	json_t *j = json_pack("{s:s, s:{s:i, s:[s,s]}}", "A", "x", "B", "C", 1, "D", "y", "z");
	char out[65536];
	FILE *f = fmemopen(out, sizeof(out), "w");
	struct err e;

	if (check_format(text, &e) < 0 && format_print(text, j, true, f, &e) == 0)
		abort(); /* what the check refuses must not run */
	fclose(f);
	json_decref(j);
}

static void as_document(char *text)
{
	struct credentials c = {0};
	struct arena a = {0};
	struct strv list = {0};
	struct reference ref;
	struct err e;
	uint64_t t;

	reference_split(text, true, &ref);
	(void)parse_time(text, 1, &t, &e);
	(void)auth_from_json(text, "docker.io", &c, &e);
	auth_free(&c);
	(void)parse_env_lines(text, true, &a, &list, &e);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), shown[64];

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	table_visible(text, shown, sizeof(shown));
	for (const char *p = shown; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	as_value(text);
	as_mount(text);
	as_port(text);
	as_template(text);
	as_document(text);
	memcpy(text, data, size);
	as_limits(text);
	free(text);
	return 0;
}
