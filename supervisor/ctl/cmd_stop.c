/* SPDX-License-Identifier: MIT */
/*
 * stop, restart, kill, rm and wait.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "container.h"
#include "parse.h"

struct stop_options {
	const char *time;
};
static const struct flag stop_flags[] = {
	{"time", 't', FLAG_STRING, offsetof(struct stop_options, time), check_stop_timeout,
		"SECONDS", "before SIGKILL (10, or what run --stop-timeout said); -1: for ever"},
	{"timeout", 0, FLAG_STRING, offsetof(struct stop_options, time), check_stop_timeout,
		"SECONDS", NULL},
	{.kind = FLAG_END},
};

static const void *fill_stop(void *arg, const char *ref)
{
	struct container_stop *m = arg;

	m->ref = ref;
	return m;
}

static struct container_stop stop_request(const struct stop_options *o)
{
	struct container_stop m = {.timeout_set = o->time != NULL};

	if (o->time)
		(void)parse_i64(o->time, -1, 86400, &m.timeout);
	return m;
}

static int cmd_stop(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	struct container_stop m = stop_request(options);
	const struct each each = {MSG_container_stop, fill_stop, NULL, &m};
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_request_each(c, operands, &each, e);
}

static int restart_one(struct ctl *c, void *options, const char *ref, struct err *e)
{
	_cleanup_container_ struct container_copy k = {0};
	_cleanup_incoming_ struct incoming stopped = {0}, started = {0};
	struct container_stop stop = stop_request(options);
	MSG_DECLARE(container_start, start);
	int r = container_get(c, ref, &k, e);

	if (r < 0)
		return r;
	stop.ref = start.ref = k.container.id; /* it may be renamed meanwhile */
	stop.again = true;
	r = client_call(&c->engine, MSG_container_stop, &stop, 0, &stopped, e);
	if (r == 0)
		r = client_call(&c->engine, MSG_container_start, &start, CLIENT_START, &started, e);
	if (r == 0)
		puts(ref);
	return r;
}

static int cmd_restart(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_for_each(c, operands, options, restart_one);
}

const struct command command_stop = {"stop", "CONTAINER…", "Ask containers to end, then make them",
	stop_flags, sizeof(struct stop_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_stop};
const struct command command_restart = {"restart", "CONTAINER…",
	"Stop containers and start them again", stop_flags, sizeof(struct stop_options), 1,
	UINT32_MAX, false, EXIT_OBJECT, cmd_restart};

struct kill_options {
	const char *signal;
};
static const struct flag kill_flags[] = {
	{"signal", 's', FLAG_STRING, offsetof(struct kill_options, signal), check_signal, "SIGNAL",
		"which one, by name or number (KILL)"},
	{.kind = FLAG_END},
};

static const void *fill_kill(void *arg, const char *ref)
{
	struct container_kill *m = arg;

	m->ref = ref;
	return m;
}

static int cmd_kill(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct kill_options *o = options;
	struct container_kill m = {0};
	const struct each each = {MSG_container_kill, fill_kill, NULL, &m};
	int r = parse_signal(o->signal ? o->signal : "KILL", &m.signal, e);

	if (r == 0)
		r = ctl_connect(c, e);
	return r < 0 ? r : ctl_request_each(c, operands, &each, e);
}

const struct command command_kill = {"kill", "CONTAINER…", "Send containers a signal", kill_flags,
	sizeof(struct kill_options), 1, UINT32_MAX, false, EXIT_OBJECT, cmd_kill};

struct rm_options {
	bool force, volumes;
};
static const struct flag rm_flags[] = {
	{"force", 'f', FLAG_BOOL, offsetof(struct rm_options, force), NULL, NULL,
		"kill it first if it runs"},
	{"volumes", 'v', FLAG_BOOL, offsetof(struct rm_options, volumes), NULL, NULL,
		"its volumes without a name too (there are none)"},
	{.kind = FLAG_END},
};

static const void *fill_remove(void *arg, const char *ref)
{
	struct container_remove *m = arg;

	m->ref = ref;
	return m;
}

/* With -f a container that is gone is what was wanted; it is still told. */
static int on_removed(void *arg, const char *ref, int r)
{
	const struct container_remove *m = arg;

	if (r == 0)
		puts(ref);
	return r == -ENOENT && m->force ? 1 : r;
}

static int cmd_rm(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct rm_options *o = options;
	struct container_remove m = {.force = o->force};
	const struct each each = {MSG_container_remove, fill_remove, on_removed, &m};
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_request_each(c, operands, &each, e);
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

const struct command command_wait = {"wait", "CONTAINER…",
	"Wait for containers to end, print exit codes", NULL, 0, 1, UINT32_MAX, false, EXIT_OBJECT,
	cmd_wait};
