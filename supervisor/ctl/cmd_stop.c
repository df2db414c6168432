/* SPDX-License-Identifier: MIT */
/*
 * stop, restart, kill, rm and wait.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "command.h"
#include "parse.h"

struct stop_options {
	const char *time;
};
static const struct flag stop_flags[] = {
	{"time", 't', FLAG_STRING, offsetof(struct stop_options, time), check_stop_timeout, "SECONDS",
		"before SIGKILL (10, or what run --stop-timeout said); -1: for ever"},
	{"timeout", 0, FLAG_STRING, offsetof(struct stop_options, time), check_stop_timeout, "SECONDS", NULL},
	{.kind = FLAG_END},
};

static int stop(struct ctl *c, const struct stop_options *o, const char *ref, struct err *e)
{
	struct container_stop m = {.ref = ref, .timeout_set = o->time != NULL};
	_cleanup_incoming_ struct incoming in = {0};

	if (o->time)
		(void)parse_i64(o->time, -1, 86400, &m.timeout);
	return client_call(&c->engine, MSG_container_stop, &m, 0, &in, e);
}

static int stop_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	int r = stop(c, options, ref, e);

	if (r == 0)
		puts(ref);
	return r;
}

static int restart_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	MSG_DECLARE(container_start, m);
	int r = stop(c, options, ref, e);

	m.ref = ref;
	if (r == 0)
		r = client_call(&c->engine, MSG_container_start, &m, CLIENT_DEADLINE, &in, e);
	if (r == 0)
		puts(ref);
	return r;
}

static int cmd_stop(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, stop_one);
}

static int cmd_restart(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, restart_one);
}

const struct command command_stop = {"stop", "CONTAINER…", "Ask containers to end, then make them",
	stop_flags, sizeof(struct stop_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_stop};
const struct command command_restart = {"restart", "CONTAINER…", "Stop containers and start them again",
	stop_flags, sizeof(struct stop_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_restart};

struct kill_options {
	const char *signal;
};
static const struct flag kill_flags[] = {
	{"signal", 's', FLAG_STRING, offsetof(struct kill_options, signal), check_signal, "SIGNAL",
		"which one, by name or number (KILL)"},
	{.kind = FLAG_END},
};

static int kill_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	const struct kill_options *o = options;
	struct container_kill m = {.ref = ref};
	_cleanup_incoming_ struct incoming in = {0};
	int r = parse_signal(o->signal ? o->signal : "KILL", &m.signal, e);

	if (r == 0)
		r = client_call(&c->engine, MSG_container_kill, &m, CLIENT_DEADLINE, &in, e);
	if (r == 0)
		puts(ref);
	return r;
}

static int cmd_kill(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, kill_one);
}

const struct command command_kill = {"kill", "CONTAINER…", "Send containers a signal", kill_flags,
	sizeof(struct kill_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_kill};

struct rm_options {
	bool force, volumes;
};
static const struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, offsetof(struct rm_options, force), NULL, NULL, "kill it first if it runs"},
	{"volumes", 'v', FLAG_BOOL, offsetof(struct rm_options, volumes), NULL, NULL,
		"its volumes without a name too"},
	{.kind = FLAG_END},
};

static int rm_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	const struct rm_options *o = options;
	const struct container_remove m = {.ref = ref, .force = o->force};
	_cleanup_incoming_ struct incoming in = {0};
	int r = client_call(&c->engine, MSG_container_remove, &m, 0, &in, e);

	if (r == 0)
		puts(ref);
	if (r != -ENOENT || !o->force)
		return r;
	ctl_complain(c, e); /* it is gone, which is what was wanted */
	return 0;
}

static int cmd_rm(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, rm_one);
}

const struct command command_rm = {"rm", "CONTAINER…", "Remove containers", rm_flags,
	sizeof(struct rm_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_rm};

static int wait_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	const struct container_wait m = {.ref = ref};
	_cleanup_incoming_ struct incoming in = {0};
	int r = client_call(&c->engine, MSG_container_wait, &m, 0, &in, e);

	(void)options;
	if (r == 0)
		printf("%" PRIu32 "\n", in.msg.waited.exit_code);
	return r;
}

static int cmd_wait(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, wait_one);
}

const struct command command_wait = {"wait", "CONTAINER…", "Wait for containers to end, print exit codes",
	NULL, 0, 1, UINT32_MAX, false, EXIT_OBJECT, cmd_wait};
