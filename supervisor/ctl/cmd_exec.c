/* SPDX-License-Identifier: MIT */
/*
 * exec: one more process in a running container.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"
#include "command.h"
#include "run_options.h"
#include "streams.h"

struct exec_options {
	bool detach, interactive, tty, privileged;
	struct strv env, env_file;
	const char *user, *workdir, *detach_keys;
};
#define AT(field) offsetof(struct exec_options, field)
static const struct flag exec_flags[] = {
	{"detach", 'd', FLAG_BOOL, AT(detach), NULL, NULL, "do not wait for it"},
	{"interactive", 'i', FLAG_BOOL, AT(interactive), NULL, NULL, "give it your stdin"},
	{"tty", 't', FLAG_BOOL, AT(tty), NULL, NULL, "give it a terminal"},
	{"env", 'e', FLAG_LIST, AT(env), check_env, "NAME[=VALUE]",
		"a variable; NAME alone takes yours"},
	{"env-file", 0, FLAG_LIST, AT(env_file), check_not_empty, "FILE", "variables, one a line"},
	{"user", 'u', FLAG_STRING, AT(user), check_not_empty, "USER[:GROUP]", "who it runs as"},
	{"workdir", 'w', FLAG_STRING, AT(workdir), check_absolute, "DIR", "where it starts"},
	{"privileged", 0, FLAG_BOOL, AT(privileged), NULL, NULL,
		"all capabilities, in its user namespace"},
	{"detach-keys", 0, FLAG_STRING, AT(detach_keys), check_detach_keys, "KEYS",
		"keys that detach (ctrl-p,ctrl-q)"},
	{.kind = FLAG_END},
};
#undef AT

static int plan_exec(const struct exec_options *o, const struct strv *operands, struct arena *a,
	struct exec_spec *ret, struct err *e)
{
	int r;

	*ret = (struct exec_spec){.argv = {operands->v + 1, operands->n - 1},
		.cwd = o->workdir,
		.user = o->user,
		.tty = o->tty,
		.stdin_open = o->interactive,
		.detach = o->detach,
		.privileged = o->privileged};
	if (o->tty)
		tty_size(STDIN_FILENO, &ret->rows, &ret->cols);
	if (o->tty && o->interactive && !o->detach && !isatty(STDIN_FILENO))
		return err_set(e, ENOTTY, "-t with -i needs a terminal as stdin: leave -t out");
	r = plan_env(&o->env_file, &o->env, a, &ret->env, e);
	return r < 0 ? r : plan_check_words(&ret->argv, &ret->env, e);
}

/* The command runs when this returns 0; *ret_exec is the engine's number for it. */
static int send_exec(struct ctl *c, const char *ref, const struct exec_spec *spec,
	struct streams *s, uint32_t *ret_exec, struct err *e)
{
	_cleanup_fd_ int document = client_seal(&schema_exec_spec, spec, e);
	_cleanup_incoming_ struct incoming in = {0};
	MSG_DECLARE(container_exec, m);
	int r;

	if (document < 0)
		return document;
	m.ref = ref;
	m.spec = document;
	m.in = s->far_in;
	m.out = s->far_out;
	m.err = s->far_err;
	r = client_call(&c->engine, MSG_container_exec, &m, CLIENT_DEADLINE, &in, e);
	streams_sent(s);
	if (r == 0)
		*ret_exec = in.msg.execed.exec;
	return r;
}

static int exec_attached(struct ctl *c, const struct exec_options *o, const char *ref,
	const struct exec_spec *spec, struct err *e)
{
	const struct streams_setup setup = {.in = o->interactive,
		.out = true,
		.err = true,
		.tty = o->tty,
		.detach_keys = o->detach_keys};
	_cleanup_streams_ struct streams s = STREAMS_NONE;
	struct workload w = {.ref = ref};
	struct exec_wait wait = {.ref = ref};
	uint32_t id, code;
	int r;

	r = streams_open(&s, &setup, e);
	if (r == 0)
		r = streams_begin(&s, e);
	if (r == 0)
		r = send_exec(c, ref, spec, &s, &w.exec, e);
	wait.exec = w.exec;
	if (r == 0)
		r = client_send(&c->engine, MSG_exec_wait, &wait, &id, e);
	if (r == 0)
		r = streams_run(&s, &c->engine, &w, id, &code, e);
	return r < 0 ? r : (int)code;
}

static int cmd_exec(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	_cleanup_streams_ struct streams none = STREAMS_NONE;
	const struct exec_options *o = options;
	const char *ref = operands->v[0];
	struct exec_spec spec;
	uint32_t exec;
	int r;

	c->object = ref;
	r = plan_exec(o, operands, &c->arena, &spec, e);
	if (r == 0)
		r = ctl_connect(c, e);
	if (r < 0)
		return r;
	if (!o->detach)
		return exec_attached(c, o, ref, &spec, e);
	return send_exec(c, ref, &spec, &none, &exec, e);
}

const struct command command_exec = {"exec", "CONTAINER COMMAND [ARG…]",
	"Run a command in a running container", exec_flags, sizeof(struct exec_options), 2,
	UINT32_MAX, true, EXIT_OBJECT, cmd_exec};
