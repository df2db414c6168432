/* SPDX-License-Identifier: MIT */
/*
 * cgroupd: the cgroups of the engine's containers. Started by the launcher as root; serves the
 * supervisor without any capability.
 */
#include "base/sandbox.h"
#include "cgroupd.h"
#include "daemon.h"
#include "discover.h"
#include "profile.h"

static int confine(const struct daemon_args *a, const struct tree *t, struct err *e)
{
	struct sandbox_place places[2 * HIERARCHY_MAX + 1] = {0};

	for (unsigned int i = 0; i < t->n; i++) {
		places[2 * i] = (struct sandbox_place){"own", t->b[i].base_fd};
		places[2 * i + 1] = (struct sandbox_place){"root", t->b[i].root_fd};
	}
	return sandbox_enter(&cgroupd_profile, places, a->debug, e);
}

static int serve(const struct daemon_args *a, const char *parent, struct cgroupd *d, struct err *e)
{
	struct chan_setup setup = cgroupd_setup(d);
	struct layout layout;
	int r = discover_host(&layout, e);

	if (r == 0)
		r = discover_below(&layout, parent, e);
	if (r == 0)
		r = tree_open(&d->tree, &layout, a->name, e);
	if (r == 0)
		r = tree_prepare(&d->tree, e);
	if (r == 0)
		devices_open(&d->tree);
	if (r == 0)
		r = priv_enter(&cgroupd_profile, a->uid, a->gid, e);
	if (r == 0)
		r = cgroupd_start(d, e);
	if (r < 0)
		return r;
	d->chan = daemon_channel(d->loop, a, &setup, e);
	if (!d->chan)
		return -e->code;
	r = confine(a, &d->tree, e);
	return r < 0 ? r : loop_run(d->loop);
}

int main(int argc, char **argv)
{
	const char *parent = "/";
	const struct daemon_option options[] = {
		{.name = "parent",
			.value = &parent,
			.help = "cgroup v2 below which the engine's is made (/)"},
		{0},
	};
	struct daemon_args args;
	struct cgroupd d = {.loop = loop_new()};
	struct err e = {0};
	int r;

	daemon_parse(argc, argv, &cgroupd_profile, options, &args);
	if (!d.loop)
		return 1;
	r = loop_stop_on_signals(d.loop, &e);
	if (r == 0)
		r = serve(&args, parent, &d, &e);
	if (r < 0)
		log_error("%s", e.text);
	chan_close(d.chan);
	cgroupd_stop(&d);
	loop_free(d.loop);
	return r < 0 ? 1 : 0;
}
