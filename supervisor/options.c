/* SPDX-License-Identifier: MIT */
/*
 * The engine's command line, as one table; see options.h.
 */
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "gc.h"

enum kind { TEXT, NUMBER, REPEATED, CHECK, SERVE, VERSION, HELP };

static const struct row {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *help;
} rows[] = {
	{"name", TEXT, offsetof(struct options, name),
		"name of this engine; several can share a host (bulkhead)"},
	{"run-dir", TEXT, offsetof(struct options, run_dir), "where the socket lies (/run/NAME)"},
	{"state-dir", TEXT, offsetof(struct options, state_dir),
		"where images and containers lie (/var/lib/NAME)"},
	{"config", TEXT, offsetof(struct options, config),
		"file with the group, quotas and rights (/etc/bulkhead/NAME.conf)"},
	{"group", TEXT, offsetof(struct options, group),
		"name or gid of those who may use it beside root (bulkhead)"},
	{"log", TEXT, offsetof(struct options, log), "debug, info, warning or error (info)"},
	{"certs-dir", TEXT, offsetof(struct options, certs_dir),
		"HOST:PORT/*.crt for registries (/etc/bulkhead/certs.d)"},
	{"cgroup-parent", TEXT, offsetof(struct options, cgroup_parent),
		"cgroup v2 of a service manager's below which cgroups are made (/)"},
	{"subnet", TEXT, offsetof(struct options, subnet4),
		"IPv4 subnet of the default network (one that is free)"},
	{"subnet6", TEXT, offsetof(struct options, subnet6),
		"IPv6 subnet of the default network (a random ULA)"},
	{"publish-ip", TEXT, offsetof(struct options, publish_ip),
		"where ports are published unless -p says (127.0.0.1)"},
	{"image-gc", TEXT, offsetof(struct options, image_gc),
		"HIGH,LOW: unused images go above 85%,75% of the disk, or 20g,15g of images (never)"},
	{"insecure-registry", REPEATED, offsetof(struct options, insecure),
		"HOST:PORT that may be asked without TLS; repeat for more"},
	{"mirror", REPEATED, offsetof(struct options, mirrors),
		"REGISTRY=HOST[:PORT][/PATH] that is asked before REGISTRY; repeat for more"},
	{"standby", NUMBER, offsetof(struct options, standby), "shims kept ready (4)"},
	{"shutdown-timeout", NUMBER, offsetof(struct options, shutdown_timeout),
		"seconds workloads get when the engine ends (10)"},
	{"uid-base", NUMBER, offsetof(struct options, uid_base),
		"first of the 134217728 uids that containers live in"},
	{"uid", NUMBER, offsetof(struct options, uid), "user of the supervisor process"},
	{"gid", NUMBER, offsetof(struct options, gid), "its group"},
	{"check", CHECK, 0, "look whether an engine could start like this, and end: 0 if so"},
	{"serve", SERVE, 0, "internal: be the supervisor process"},
	{"version", VERSION, 0, "print the version"},
	{"help", HELP, 0, "this list"},
};

_noreturn_ static void wrong(const char *what, const char *value)
{
	fprintf(stderr, "supervisor: %s: %s\n", what, value);
	exit(2);
}

_noreturn_ static void help(void)
{
	puts("usage: supervisor [options]\n\nRuns a Bulkhead engine in the foreground, as root. Talk to it with ctl.\n");
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		printf("  --%-18s %s\n", rows[i].name, rows[i].help);
	exit(0);
}

static void append(const char **list, const char *value)
{
	unsigned int n = 0;

	while (list[n])
		n++;
	if (n == INSECURE_MAX)
		wrong("given too often", value);
	list[n] = value;
}

static void take(struct options *o, const struct row *row)
{
	void *at = (char *)o + row->offset;

	switch (row->kind) {
	case TEXT:
		*(const char **)at = optarg;
		break;
	case NUMBER:
		if (num_parse_u32(optarg, 0, INT32_MAX, at) < 0)
			wrong("not a number", optarg);
		break;
	case REPEATED:
		append(at, optarg);
		break;
	case CHECK:
		o->check = true;
		break;
	case SERVE:
		o->serve = true;
		break;
	case VERSION:
		puts("bulkhead " BULKHEAD_VERSION);
		exit(0);
	case HELP:
		help();
	}
}

/* HOST[:PORT], of n bytes. */
static bool is_domain(const char *s, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	char text[256];
	const char *end;
	uint32_t port;

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	end = text + strspn(text, letters);
	if (*text == '[')
		end += 1 + strspn(text + 1, "0123456789abcdef:.");
	if (*text == '[' && (end - text < 3 || *end++ != ']'))
		return false;
	if (end == text || *text == '.' || strstr(text, ".."))
		return false;
	return !*end || (*end == ':' && num_parse_u32(end + 1, 1, UINT16_MAX, &port) == 0);
}

/* As what fetches reads it (imaged/mirror.c): there it would end each pull. */
static bool is_mirror(const char *s)
{
	size_t n = strcspn(s, "="), host = s[n] ? strcspn(s + n + 1, "/") : 0;
	const char *path = s[n] ? s + n + 1 + host : "";

	path += *path == '/';
	return s[n] && strlen(s) < 256 && is_domain(s, n) && is_domain(s + n + 1, host) &&
	       *path != '/' && !strstr(path, "..") && !strstr(path, "//") &&
	       strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789._-/") == strlen(path);
}

static void check(struct options *o)
{
	static const char *const levels[] = {"debug", "info", "warning", "error"};
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	struct gc_marks marks;
	bool known = false;
	struct err e;

	if (*o->name < 'a' || *o->name > 'z' || strlen(o->name) > 32 ||
		strspn(o->name, letters) != strlen(o->name))
		wrong("--name takes up to 32 of a-z, 0-9 and -, starting with a letter, not",
			o->name);
	for (unsigned int i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(o->log, levels[i]) != 0)
			continue;
		o->level = (enum log_level)i;
		known = true;
	}
	if (!known)
		wrong("--log takes debug, info, warning or error, not", o->log);
	for (const char *const *m = o->mirrors; *m; m++)
		if (!is_mirror(*m))
			wrong("--mirror takes REGISTRY=HOST[:PORT][/PATH], not", *m);
	if (gc_parse(o->image_gc, &marks, &e) < 0)
		wrong("--image-gc", e.text);
	if (o->uid_base % UINT32_C(134217728) != 0)
		wrong("--uid-base must be a multiple of 134217728", "");
	if (!o->run_dir) {
		snprintf(o->run_buf, sizeof(o->run_buf), "/run/%s", o->name);
		o->run_dir = o->run_buf;
	}
	if (!o->state_dir) {
		snprintf(o->state_buf, sizeof(o->state_buf), "/var/lib/%s", o->name);
		o->state_dir = o->state_buf;
	}
	if (*o->run_dir != '/' || *o->state_dir != '/')
		wrong("directories must be absolute paths, not",
			*o->run_dir != '/' ? o->run_dir : o->state_dir);
}

void options_parse(int argc, char **argv, struct options *ret)
{
	struct option v[ARRAY_LEN(rows) + 1] = {0};
	int i = -1, c;

	*ret = (struct options){.name = "bulkhead",
		.log = "info",
		.certs_dir = "/etc/bulkhead/certs.d",
		.standby = 4,
		.shutdown_timeout = 10};
	for (unsigned int n = 0; n < ARRAY_LEN(rows); n++)
		v[n] = (struct option){rows[n].name,
			rows[n].kind <= REPEATED ? required_argument : no_argument, NULL, 0};
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", v, &i)) == 0)
		take(ret, &rows[i]);
	if (c != -1)
		wrong(c == ':' ? "see supervisor --help: a value is missing behind"
			       : "see supervisor --help for what there is; unknown option",
			argv[optind - 1]);
	if (optind < argc)
		wrong("see supervisor --help; unexpected argument", argv[optind]);
	check(ret);
}

void options_serve_argv(
	const struct options *o, const char *argv[OPTIONS_ARGV_MAX], char numbers[5][16])
{
	const struct {
		const char *flag, *value;
	} text[] = {{"--name", o->name}, {"--run-dir", o->run_dir}, {"--state-dir", o->state_dir},
		{"--log", o->log}, {"--subnet", o->subnet4}, {"--subnet6", o->subnet6},
		{"--publish-ip", o->publish_ip}, {"--image-gc", o->image_gc}};
	const struct {
		const char *flag;
		uint32_t value;
	} number[] = {{"--standby", o->standby}, {"--shutdown-timeout", o->shutdown_timeout},
		{"--uid-base", o->uid_base}, {"--uid", o->uid}, {"--gid", o->gid}};
	unsigned int n = 0;

	argv[n++] = "supervisor";
	argv[n++] = "--serve";
	for (unsigned int i = 0; i < ARRAY_LEN(text); i++) {
		if (!text[i].value)
			continue;
		argv[n++] = text[i].flag;
		argv[n++] = text[i].value;
	}
	for (unsigned int i = 0; i < ARRAY_LEN(number); i++) {
		snprintf(numbers[i], 16, "%u", number[i].value);
		argv[n++] = number[i].flag;
		argv[n++] = numbers[i];
	}
	argv[n] = NULL;
}
