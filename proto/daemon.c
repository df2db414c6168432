/* SPDX-License-Identifier: MIT */
/*
 * The common start of every helper; see daemon.h.
 */
#include "daemon.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

#define OPTIONS_MAX  32
#define NAME_MAX_LEN 32

static const struct {
	const char *name;
	bool value;
	const char *help;
} common[] = {
	{"debug", false, "run alone: messages as text on standard input and output"},
	{"name", true, "name of the engine (bulkhead)"},
	{"uid", true, "user to run as"},
	{"gid", true, "group to run as"},
	{"log", true, "debug, info, warning or error"},
	{"help", false, "this list"},
};

_noreturn_ static void usage(const char *program, const char *what, const char *value)
{
	fprintf(stderr, "%s: %s%s%s\n", program, what, value ? ": " : "", value ? value : "");
	exit(2);
}

_noreturn_ static void help(const struct priv_profile *p, const struct daemon_option *options)
{
	printf("usage: %s [options]\n", p->program);
	for (unsigned int i = 0; i < ARRAY_LEN(common); i++)
		printf("  --%-20s %s\n", common[i].name, common[i].help);
	for (; options && options->name; options++)
		printf("  --%-20s %s\n", options->name, options->help);
	exit(0);
}

/* The engine's name becomes part of link, table and directory names. */
static bool name_ok(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	return *s >= 'a' && *s <= 'z' && strlen(s) <= NAME_MAX_LEN &&
	       strspn(s, letters) == strlen(s);
}

static enum log_level parse_level(const char *program, const char *s)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], s) == 0)
			return (enum log_level)i;
	usage(program, "--log takes debug, info, warning or error, not", s);
}

static void own_option(const char *program, const struct daemon_option *o, const char *value)
{
	unsigned int n = 0;

	if (o->flag)
		*o->flag = true;
	if (o->value)
		*o->value = value;
	if (!o->list)
		return;
	while (o->list[n])
		n++;
	if (n + 1 >= o->list_max)
		usage(program, "given too often: --", o->name);
	o->list[n] = value;
	o->list[n + 1] = NULL;
}

static void id_option(const char *program, const char *name, uint32_t *ret)
{
	if (num_parse_u32(optarg, 0, UINT32_MAX - 2, ret) < 0)
		usage(program, name, "not a number from 0 to 4294967293");
}

static unsigned int fill_options(struct option *v, const struct daemon_option *options)
{
	unsigned int n = 0;

	for (; n < ARRAY_LEN(common); n++)
		v[n] = (struct option){
			common[n].name, common[n].value ? required_argument : no_argument, NULL, 0};
	for (; options && options->name && n < OPTIONS_MAX; n++, options++)
		v[n] = (struct option){
			options->name, options->flag ? no_argument : required_argument, NULL, 0};
	return n;
}

void daemon_parse(int argc, char **argv, const struct priv_profile *p,
	const struct daemon_option *options, struct daemon_args *ret)
{
	struct option v[OPTIONS_MAX + 1] = {0};
	enum log_level level = LOG_INFO;
	int i = -1, c;

	fill_options(v, options);
	*ret = (struct daemon_args){.name = "bulkhead"};
	priv_ids(p, &ret->uid, &ret->gid);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", v, &i)) == 0) {
		const char *name = v[i].name;

		if (i >= (int)ARRAY_LEN(common))
			own_option(p->program, &options[i - (int)ARRAY_LEN(common)], optarg);
		else if (strcmp(name, "debug") == 0)
			ret->debug = true;
		else if (strcmp(name, "name") == 0)
			ret->name = optarg;
		else if (strcmp(name, "uid") == 0)
			id_option(p->program, "--uid", &ret->uid);
		else if (strcmp(name, "gid") == 0)
			id_option(p->program, "--gid", &ret->gid);
		else if (strcmp(name, "log") == 0)
			level = parse_level(p->program, optarg);
		else
			help(p, options);
	}
	if (c != -1)
		usage(p->program,
			c == ':' ? "see --help: a value is missing behind"
				 : "see --help for what there is; unknown option",
			argv[optind - 1]);
	if (optind < argc)
		usage(p->program, "unexpected argument", argv[optind]);
	if (!name_ok(ret->name))
		usage(p->program,
			"--name takes up to 32 of a-z, 0-9 and -, starting with a letter, not",
			ret->name);
	log_open(p->program, level);
}

static void stop_loop(void *self, struct chan *c)
{
	(void)self;
	loop_stop(chan_loop(c), 0);
}

struct chan *daemon_channel(
	struct loop *l, const struct daemon_args *a, const struct chan_setup *setup, struct err *e)
{
	struct chan_setup s = *setup;
	struct chan *c;
	socklen_t n = sizeof(int);
	int type = 0;

	/* Else the event loop is the first to complain, in its own words. */
	if (!a->debug && (getsockopt(DAEMON_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &n) < 0 ||
				 type != SOCK_SEQPACKET)) {
		err_set(e, EINVAL,
			"descriptor %d is not a channel: the supervisor starts this program; add --debug to run it alone",
			DAEMON_CHANNEL_FD);
		return NULL;
	}

	if (!s.on_close)
		s.on_close = stop_loop;
	c = a->debug ? chan_open_text(l, STDIN_FILENO, STDOUT_FILENO, &s)
		     : chan_open(l, DAEMON_CHANNEL_FD, &s);
	if (!c)
		err_set(e, errno ? errno : ENOMEM, "opening the channel: %s", strerror(errno));
	return c;
}
