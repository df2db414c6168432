/* SPDX-License-Identifier: MIT */
/*
 * pause and unpause.
 */
#include "command.h"

static const void *fill(void *arg, const char *ref)
{
	struct container_pause *m = arg;

	m->ref = ref;
	return m;
}

static int set(struct ctl *c, bool undo, const struct strv *operands, struct err *e)
{
	struct container_pause m = {.undo = undo};
	const struct each each = {MSG_container_pause, fill, NULL, &m};
	int r = ctl_connect(c, e);

	return r < 0 ? r : ctl_request_each(c, operands, &each, e);
}

static int cmd_pause(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	(void)options;
	return set(c, false, operands, e);
}

static int cmd_unpause(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	(void)options;
	return set(c, true, operands, e);
}

const struct command command_pause = {"pause", "CONTAINER…", "Make containers stand still", NULL, 0,
	1, UINT32_MAX, false, EXIT_OBJECT, cmd_pause};
const struct command command_unpause = {"unpause", "CONTAINER…", "Let paused containers go on",
	NULL, 0, 1, UINT32_MAX, false, EXIT_OBJECT, cmd_unpause};
