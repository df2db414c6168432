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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_value(const char *text)
{
	static int (*const checks[])(const char *, struct err *) = {check_name, check_hostname,
		check_env, check_sysctl, check_capability, check_platform, check_signal,
		check_publish, check_memory, check_cpus, check_cpuset, check_pids, check_umask,
		check_ulimit, check_mac, check_add_host, check_network, check_detach_keys};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err e = {0};

		if (checks[i](text, &e) < 0 && !e.text[0])
			abort();
	}
}

static void as_mount(const char *text)
{
	struct arena a = {0};
	struct mount_list list = {0};
	struct err e;

	parse_volume(text, &a, &list, &e);
	parse_mount(text, &a, &list, &e);
	parse_tmpfs(text, &a, &list, &e);
	for (uint32_t i = 0; i < list.n; i++)
		if (list.v[i].target[0] != '/' || strstr(list.v[i].target, "/../"))
			abort();
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
	as_template(text);
	as_document(text);
	free(text);
	return 0;
}
