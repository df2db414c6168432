/* SPDX-License-Identifier: MIT */
/*
 * Pulling an image; see pull.h.
 */
#include "pull.h"

#include <string.h>

#include "auth.h"
#include "progress.h"

int pull_image(struct ctl *c, const struct pull *p, struct incoming *ret, struct err *e)
{
	struct image_pull m = {.ref = p->ref, .platform = p->platform, .policy = p->policy};
	struct credentials who = {0};
	struct progress progress;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = auth_find(p->ref, &who, e);
	if (r < 0)
		return r;
	m.username = who.username;
	m.password = who.password;
	progress_open(&progress, p->quiet);
	c->engine.on_event = progress_event;
	c->engine.event_arg = &progress;
	r = client_call(&c->engine, MSG_image_pull, &m, 0, ret, e);
	c->engine.on_event = NULL;
	progress_close(&progress);
	auth_free(&who);
	return r;
}
