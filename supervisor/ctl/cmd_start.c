/* SPDX-License-Identifier: MIT */
/*
 * start, attach and exec: a workload that exists already, and the caller's streams.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"
#include "command.h"
#include "container.h"
#include "streams.h"

struct start_options {
	bool attach, interactive, no_proxy;
	const char *detach_keys;
};
#define AT(field) offsetof(struct start_options, field)
static const struct flag start_flags[] = {
	{"attach", 'a', FLAG_BOOL, AT(attach), NULL, NULL, "show its output and wait for its end"},
	{"interactive", 'i', FLAG_BOOL, AT(interactive), NULL, NULL,
		"give it your stdin; implies -a"},
	{"detach-keys", 0, FLAG_STRING, AT(detach_keys), check_detach_keys, "KEYS",
		"keys that detach (ctrl-p,ctrl-q)"},
	{"sig-proxy", 0, FLAG_NOT, AT(no_proxy), NULL, NULL,
		"forward signals to it (on; not with a terminal)"},
	{.kind = FLAG_END},
};
#undef AT

static int start_one(struct ctl *c, const char *ref, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	MSG_DECLARE(container_start, m);
	int r;

	m.ref = ref;
	r = client_call(&c->engine, MSG_container_start, &m, CLIENT_START, &in, e);
	if (r == -EALREADY) /* as it was to be */
		r = 0;
	if (r == 0)
		puts(ref);
	return r;
}

struct attachment {
	const char *ref;
	bool start; /* it has to be started, not only joined */
	bool stdin_too, no_proxy;
	const char *detach_keys;
};

/* Sends start or attach, and the wait behind it, or before it: of what goes with its end nothing
 * may be left to wait for. *ret_id is the request whose answer comes first. */
static int send_attachment(struct ctl *c, const struct attachment *a, const struct streams *s,
	bool goes, uint32_t *ret_id, uint32_t *ret_wait, struct err *e)
{
	const struct container_wait wait = {.ref = a->ref, .last = a->start};
	MSG_DECLARE(container_start, start);
	MSG_DECLARE(container_attach, attach);
	int r = 0;

	start.ref = attach.ref = a->ref;
	start.in = attach.in = s->far_in;
	start.out = attach.out = s->far_out;
	start.err = attach.err = s->far_err;
	if (s->setup.tty)
		tty_size(STDIN_FILENO, &start.rows, &start.cols);
	if (goes)
		r = client_send(&c->engine, MSG_container_wait, &wait, ret_wait, e);
	if (r == 0 && a->start)
		r = client_send(&c->engine, MSG_container_start, &start, ret_id, e);
	else if (r == 0)
		r = client_send(&c->engine, MSG_container_attach, &attach, ret_id, e);
	if (r == 0 && !goes)
		r = client_send(&c->engine, MSG_container_wait, &wait, ret_wait, e);
	return r;
}

static int attach_run(struct ctl *c, const struct attachment *a, struct err *e)
{
	_cleanup_container_ struct container_copy k = {0};
	_cleanup_incoming_ struct incoming in = {0};
	_cleanup_streams_ struct streams s = STREAMS_NONE;
	struct streams_setup setup = {.out = true, .err = true};
	struct workload w = {.ref = a->ref};
	uint32_t first, wait, code;
	bool goes;
	int r;

	r = container_get(c, a->ref, &k, e);
	if (r < 0)
		return r;
	if (!a->start && !container_is_up(k.container.status))
		return err_set(
			e, EINVAL, "container %.128s is not running: start it first", a->ref);
	setup.in = a->stdin_too && k.container.create && k.container.create->stdin_open;
	setup.tty = k.container.create && k.container.create->tty;
	setup.proxy = !a->no_proxy;
	setup.detach_keys = a->detach_keys;
	goes = a->start && k.container.create && k.container.create->autoremove;
	w.ref = k.container.id; /* it may be renamed meanwhile */
	r = streams_open(&s, &setup, e);
	if (r == 0)
		r = streams_begin(&s, e);
	if (r == 0)
		r = send_attachment(c, a, &s, goes, &first, &wait, e);
	if (r == 0)
		r = client_await(&c->engine, first, a->start ? MSG_container_started : MSG_done,
			CLIENT_START, &in, e);
	streams_sent(&s);
	if (r == 0)
		r = streams_run(&s, &c->engine, &w, wait, &code, e);
	return r < 0 ? r : (int)code;
}

/* An unknown object is 1 here too; what fails in starting it is 125, 126 or 127, as with run. */
static int complain_start(struct ctl *c, const struct err *e)
{
	ctl_complain(c, e);
	if (e->code == ENOENT)
		return EXIT_OBJECT;
	return ctl_exit_code(e, EXIT_ENGINE);
}

static int start_all(struct ctl *c, const struct strv *refs)
{
	int code = 0;

	for (uint32_t i = 0; i < refs->n; i++) {
		struct err e = {0};
		int r;

		if (start_one(c, refs->v[i], &e) == 0)
			continue;
		r = complain_start(c, &e);
		code = MAX(code, r);
	}
	return code;
}

static int cmd_start(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct start_options *o = options;
	struct attachment a = {operands->v[0], true, o->interactive, o->no_proxy, o->detach_keys};
	int r;

	if ((o->attach || o->interactive) && operands->n > 1)
		return err_set(e, EINVAL, "-a and -i are for one container");
	r = ctl_connect(c, e);
	if (r < 0)
		return r;
	if (!o->attach && !o->interactive)
		return start_all(c, operands);
	r = attach_run(c, &a, e);
	return r < 0 ? complain_start(c, e) : r;
}

const struct command command_start = {"start", "CONTAINER…", "Start containers", start_flags,
	sizeof(struct start_options), 1, UINT32_MAX, false, EXIT_ENGINE, cmd_start};

struct attach_options {
	bool no_stdin, no_proxy;
	const char *detach_keys;
};
static const struct flag attach_flags[] = {
	{"no-stdin", 0, FLAG_BOOL, offsetof(struct attach_options, no_stdin), NULL, NULL,
		"only watch"},
	{"detach-keys", 0, FLAG_STRING, offsetof(struct attach_options, detach_keys),
		check_detach_keys, "KEYS", "keys that detach (ctrl-p,ctrl-q)"},
	{"sig-proxy", 0, FLAG_NOT, offsetof(struct attach_options, no_proxy), NULL, NULL,
		"forward signals to it (on; not with a terminal)"},
	{.kind = FLAG_END},
};

static int cmd_attach(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct attach_options *o = options;
	const struct attachment a = {
		operands->v[0], false, !o->no_stdin, o->no_proxy, o->detach_keys};
	int r = ctl_connect(c, e);

	return r < 0 ? r : attach_run(c, &a, e);
}

const struct command command_attach = {"attach", "CONTAINER", "Join a running container's streams",
	attach_flags, sizeof(struct attach_options), 1, 1, false, EXIT_OBJECT, cmd_attach};
