/* SPDX-License-Identifier: MIT */
/*
 * rename: another name for a container.
 */
#include "command.h"

static int cmd_rename(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct container_rename m = {.ref = operands->v[0], .name = operands->v[1]};
	_cleanup_incoming_ struct incoming in = {0};
	int r;

	(void)options;
	c->object = m.ref;
	r = ctl_connect(c, e);
	return r < 0 ? r
		     : client_call(&c->engine, MSG_container_rename, &m, CLIENT_DEADLINE, &in, e);
}

const struct command command_rename = {"rename", "CONTAINER NAME", "Give a container another name",
	NULL, 0, 2, 2, false, EXIT_OBJECT, cmd_rename};
