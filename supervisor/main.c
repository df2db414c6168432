/* SPDX-License-Identifier: MIT */
/*
 * `supervisor` is two processes: the launcher, which stays root and small, and the supervisor
 * proper, which it starts as `supervisor --serve` with everything open that is needed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "config.h"
#include "engine.h"
#include "host.h"
#include "launcher.h"
#include "profile.h"
#include "service.h"

static int serve(const struct options *o)
{
	static struct policy policy;
	struct err e = {0};

	if (policy_receive(LAUNCH_FD_POLICY, &policy, &e) < 0 ||
		priv_enter(&profile_supervisor, o->uid, o->gid, &e) < 0) {
		log_error("%s", e.text);
		return 2;
	}
	return engine_run(o, &policy);
}

/* Descriptors 3 to 7 are what the launcher puts into its children: nothing of its own may lie
 * there. */
static void keep_low_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= LAUNCH_FD_LAST);
}

/* The command line stands before the file. */
static int configure(struct options *o, struct dirs *d, struct err *e)
{
	static struct config c;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "/etc/bulkhead/%s.conf", o->name);
	r = config_load(o->config ? o->config : path, o->config != NULL, &c, e);
	if (r < 0)
		return r;
	if (!o->publish_ip && *c.publish_ip)
		o->publish_ip = c.publish_ip;
	if (!o->image_gc && *c.image_gc)
		o->image_gc = c.image_gc;
	d->group = c.has_group ? c.group : (gid_t)-1;
	if (o->group && config_parse_group(o->group, &d->group, e) < 0)
		return err_prefix(e, "--group");
	d->policy = policy_send(&c.policy, e);
	return d->policy < 0 ? d->policy : 0;
}

static int take_socket(const struct options *o, struct dirs *d, struct err *e)
{
	char path[PATH_MAX + sizeof("/ctl.sock")];

	snprintf(path, sizeof(path), "%s/ctl.sock", o->run_dir);
	return service_socket(path, &d->handed, e);
}

static int launch(struct options *o)
{
	struct err e = {0};
	struct dirs d = {0};
	int r;

	if (geteuid() != 0) {
		fprintf(stderr,
			"supervisor: must be started by root; it keeps that for its launcher alone\n");
		return 1;
	}
	if (host_check(&e) < 0) {
		fprintf(stderr, "supervisor: %s\n", e.text);
		return 1;
	}
	umask(022);
	if (o->check) {
		r = configure(o, &d, &e);
		if (r < 0)
			fprintf(stderr, "supervisor: %s\n", e.text);
		return r < 0;
	}
	if (take_socket(o, &d, &e) < 0) {
		log_error("%s", e.text);
		return 1;
	}
	keep_low_fds();
	if (!o->uid)
		priv_ids(&profile_supervisor, &o->uid, &o->gid);
	if (configure(o, &d, &e) < 0 || dirs_open(o, &d, &e) < 0) {
		log_error("%s", e.text);
		return 1;
	}
	r = launcher_run(o, &d);
	dirs_close(o, &d);
	return r;
}

int main(int argc, char **argv)
{
	static struct options o;

	options_parse(argc, argv, &o);
	log_open(o.serve ? "supervisor" : "launcher", o.level);
	return o.serve ? serve(&o) : launch(&o);
}
