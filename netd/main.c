/* SPDX-License-Identifier: MIT */
/*
 * netd starts: command line, privileges, channel, loop. Trusts its command line, which the launcher
 * or an administrator writes.
 */
#include <errno.h>

#include "base/log.h"
#include "base/num.h"
#include "base/sandbox.h"
#include "daemon.h"
#include "netd.h"

static int serve(struct netd *d, const struct daemon_args *args, struct err *e)
{
	const struct priv_profile *p = d->enter_netns ? &netd_enter_profile : &netd_profile;
	struct chan_setup setup = {
		.self = NETD, .peer = SUPERVISOR, .handlers = netd_handlers, .arg = d};
	struct sandbox_place places[] = {{"sysctl", -1}, {0}};

	if (priv_enter(p, args->uid, args->gid, e) < 0)
		return -e->code;
	d->loop = loop_new();
	if (!d->loop)
		return err_errno(e, ENOMEM, "event loop");
	if (loop_stop_on_signals(d->loop, e) < 0 || netd_open(d, e) < 0)
		return -e->code;
	d->chan = daemon_channel(d->loop, args, &setup, e);
	if (!d->chan)
		return -e->code;
	places[0].fd = sysctls_dir(d->sysctls);
	if (sandbox_enter(p, places, args->debug, e) < 0)
		return -e->code;
	return loop_run(d->loop);
}

int main(int argc, char **argv)
{
	struct netd d = {.rtnl = -1, .room = NETWORK_ROOM};
	const char *room = NULL;
	const struct daemon_option options[] = {
		{.name = "enter-netns",
			.flag = &d.enter_netns,
			.help = "with --debug: keep SYS_ADMIN to go into namespaces given by path"},
		{.name = "room",
			.value = &room,
			.help = "with --debug: containers on one bridge, until another is made"},
		{0},
	};
	struct daemon_args args;
	struct err e = {0};
	int r;

	daemon_parse(argc, argv, &netd_profile, options, &args);
	d.engine = args.name;
	if (d.enter_netns && !args.debug) {
		log_error("--enter-netns is for --debug alone");
		return 2;
	}
	if (room && (!args.debug || num_parse_u32(room, 1, NETWORK_ROOM, &d.room) < 0)) {
		log_error("--room is for --debug alone, and a number from 1 to %d", NETWORK_ROOM);
		return 2;
	}
	r = serve(&d, &args, &e);
	if (r < 0)
		log_error("%s", e.text);
	netd_close(&d);
	loop_free(d.loop);
	return r < 0 ? 1 : r;
}
