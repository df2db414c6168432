/* SPDX-License-Identifier: MIT */
/*
 * A client that started a container attached goes on following it when its policy starts it again:
 * his streams wait here for the next run. They end when the container has ended for good, or he has
 * gone.
 */
#include <fcntl.h>

#include "base/fd.h"
#include "engine.h"

static int keep(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

void follow_begin(struct ctr *c, struct chan *client, const struct container_start *how)
{
	follow_end(c);
	if (restart_policy(ctr_create(c)) == RESTART_NO)
		return;
	c->restart.follower = (__typeof__(c->restart.follower)){.client = client,
		.in = keep(how->in),
		.out = keep(how->out),
		.err = keep(how->err),
		.rows = how->rows,
		.cols = how->cols};
}

void follow_again(struct ctr *c, struct container_start *ret)
{
	ret->in = ret->out = ret->err = -1;
	if (!c->restart.follower.client)
		return;
	ret->in = keep(c->restart.follower.in);
	ret->out = keep(c->restart.follower.out);
	ret->err = keep(c->restart.follower.err);
	ret->rows = c->restart.follower.rows;
	ret->cols = c->restart.follower.cols;
}

void follow_resize(struct ctr *c, uint32_t rows, uint32_t cols)
{
	c->restart.follower.rows = rows;
	c->restart.follower.cols = cols;
}

void follow_end(struct ctr *c)
{
	if (!c->restart.follower.client)
		return;
	c->restart.follower.client = NULL;
	fd_close(&c->restart.follower.in);
	fd_close(&c->restart.follower.out);
	fd_close(&c->restart.follower.err);
}

void follow_forget_client(struct engine *g, const struct chan *client)
{
	for (struct ctr *c = g->ctrs; c; c = c->next)
		if (c->restart.follower.client == client)
			follow_end(c);
}
