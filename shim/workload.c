/* SPDX-License-Identifier: MIT */
/*
 * The first process's last phase: from the spec to the process that it describes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "ns.h"
#include "phase.h"
#include "process.h"
#include "reply.h"

int phase_process(struct child *c, struct order *o, struct err *e)
{
	const struct spec *s = &o->spec;
	int extra[NS_COUNT + 1], r;
	struct process p = {.visit = s->visit,
		.argv = s->argv,
		.env = s->env,
		.group_add = s->group_add,
		.cwd = s->cwd,
		.user = s->user,
		.caps = s->caps,
		.new_privs = s->new_privs,
		.tty = s->tty,
		.stdin_open = s->stdin_open,
		.init = s->init,
		.umask = s->umask,
		.rows = (uint16_t)o->msg.rows,
		.cols = (uint16_t)o->msg.cols,
		.filter = o->msg.filter,
		.in = o->msg.in,
		.out = o->msg.out,
		.err = o->msg.err};
	struct process_tools t = {.sock = c->sock,
		.null = c->null,
		.pts = c->pts,
		.console = s->tty && !c->no_console,
		.console_target = c->dev,
		.extra = extra,
		.n_extra = ARRAY_LEN(extra)};

	/* By these the shim's later execs join: setns by pidfd is refused while the process still
	 * has the shim's memory (ptrace_may_access judges by the memory's user namespace), as an
	 * init has for ever. */
	r = ns_open_own(c->proc, extra);
	if (r < 0)
		return err_errno(e, r, "opening namespaces");
	extra[NS_COUNT] = c->pts;
	r = process_rlimits(s->rlimits.v, s->rlimits.n, &p, e);
	return r < 0 ? r : process_run(&p, &t, e);
}
