/* SPDX-License-Identifier: MIT */
/*
 * The shim's start. Root for a few system calls, then the container's own host user: with two
 * capabilities until the id maps are written, then with none.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "confine.h"
#include "profile.h"
#include "shim.h"
#include "title.h"

#define DEFAULT_UID_BASE 0x70000000U
#define LISTEN_FD	 4

struct options {
	bool debug, host_net, new_privs, listen;
	uint32_t uid, uid_base;
	enum log_level level;
};

_noreturn_ static void usage(const char *what, const char *value)
{
	fprintf(stderr, "shim: %s%s%s\n", what, value ? ": " : "", value ? value : "");
	exit(2);
}

static enum log_level parse_level(const char *s)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], s) == 0)
			return (enum log_level)i;
	usage("--log takes debug, info, warning or error, not", s);
}

static void parse_id(const char *name, const char *s, uint32_t *ret)
{
	if (num_parse_u32(s, 1, UINT32_MAX - NS_IDS, ret) < 0)
		usage(name, "not a host id");
}

_noreturn_ static void help(void)
{
	puts("usage: shim [--debug] [--uid N] [--uid-base N] [--host-net] [--new-privs] [--log LEVEL]\n"
	     "Runs one container on behalf of the supervisor, which talks to it on descriptor 3.\n"
	     "  --debug     alone in the foreground: messages as text on standard input and output\n"
	     "  --uid       host user to run as; nobody else's\n"
	     "  --uid-base  first of the 65536 host ids that the container gets\n"
	     "  --host-net  no network namespace of its own\n"
	     "  --new-privs execs may gain privileges: no_new_privs stays off in the shim, which they inherit from\n"
	     "  --listen    on the socket at descriptor 4, for the next engine, when this one has died\n"
	     "  --log       debug, info, warning or error");
	exit(0);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {{"debug", no_argument, NULL, 'd'},
		{"uid", required_argument, NULL, 'u'}, {"uid-base", required_argument, NULL, 'b'},
		{"host-net", no_argument, NULL, 'n'}, {"new-privs", no_argument, NULL, 'p'},
		{"listen", no_argument, NULL, 's'}, {"log", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int c;

	*o = (struct options){.uid = profile_starting.fallback_uid,
		.uid_base = DEFAULT_UID_BASE,
		.level = LOG_INFO};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			o->debug = true;
		else if (c == 'n')
			o->host_net = true;
		else if (c == 'p')
			o->new_privs = true;
		else if (c == 's')
			o->listen = true;
		else if (c == 'u')
			parse_id("--uid", optarg, &o->uid);
		else if (c == 'b')
			parse_id("--uid-base", optarg, &o->uid_base);
		else if (c == 'l')
			o->level = parse_level(optarg);
		else if (c == 'h')
			help();
		else
			exit(2);
	}
	if (optind < argc)
		usage("takes no arguments", argv[optind]);
}

/* The bounding set goes first, while that is still allowed: it would only matter to an execve. */
static int become_starter(const struct options *o, struct err *e)
{
	umask(022);
	if (geteuid() == 0 &&
		(prctl(PR_CAPBSET_DROP, CAP_SETUID) < 0 || prctl(PR_CAPBSET_DROP, CAP_SETGID) < 0))
		return err_errno(e, errno, "emptying the bounding set");
	return priv_enter(&profile_starting, o->uid, o->uid, e);
}

/* Keys that whoever started the engine holds in its session would be possessed by workloads too;
 * keyrings(7). Of the container's own user, so that what it adds counts there. */
static int leave_keyring(struct err *e)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return err_errno(e, errno, "making a session keyring");
	return 0;
}

/* Whoever has connected meant the one that has died, and does not know us. */
static void refuse_waiting(void)
{
	int fd;

	fd_set_nonblock(LISTEN_FD, true);
	while ((fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

/* By whom listen is called is what SO_PEERCRED tells who connects; unix(7). */
static int open_listener(struct shim *s, const struct options *o, struct err *e)
{
	s->listener = (struct source){.fd = -1};
	if (!o->listen)
		return 0;
	if (listen(LISTEN_FD, 1) < 0)
		return err_errno(e, errno, "listening on descriptor %d", LISTEN_FD);
	s->listener = (struct source){LISTEN_FD, wait_listen, s};
	fd_set_cloexec(LISTEN_FD, true);
	return 0;
}

/* As often as a shim dies, its keeper comes back from here in its place. */
static int start_keeper(struct shim *s, const struct options *o, struct err *e)
{
	int r;

	while ((r = keeper_start(&s->keeper, &s->held, &s->first, s->listener.fd, e)) ==
		KEEPER_ORPHANED) {
		s->channel.fd = s->first.sock = -1;
		refuse_waiting();
		r = open_listener(s, o, e);
		if (r < 0)
			return r;
	}
	return r;
}

static int become_runner(const struct options *o, struct err *e)
{
	struct priv_profile profile = profile_running;
	int r = priv_drop_all(e);

	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_errno(e, errno, "becoming not dumpable");
	if (r == 0 && !o->new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_errno(e, errno, "setting no_new_privs");
	profile.new_privs = o->new_privs;
	return r < 0 ? r : priv_prove(&profile, o->uid, e);
}

int main(int argc, char **argv)
{
	const struct keeper_forget nothing = {0};
	struct shim s = {0};
	struct options o;
	struct err e = {0};
	int r;

	title_init(argc, argv);
	hold_init(&s.held);
	parse(argc, argv, &o);
	s.host_net = o.host_net;
	log_open("shim", o.level);
	r = become_starter(&o, &e);
	if (r == 0)
		r = leave_keyring(&e);
	if (r == 0)
		r = channel_open(&s.channel, o.debug, &e);
	if (r == 0)
		r = ns_create(o.uid_base, o.host_net, &s.first, &e);
	if (r == 0)
		r = become_runner(&o, &e);
	if (r == 0)
		r = open_listener(&s, &o, &e);
	if (r == 0)
		r = start_keeper(&s, &o, &e);
	if (r == 0)
		r = confine_calls(o.debug, &e);
	if (r == 0)
		r = shim_prepare(&s, &e);
	if (r < 0)
		log_error("%s", e.text);
	else
		shim_serve(&s);
	/* A keeper whose shim ends by itself has nothing to go on with. */
	if (s.keeper.pid > 0)
		keeper_say(&s.keeper, MSG_keeper_forget, &nothing, NULL);
	return r < 0;
}
