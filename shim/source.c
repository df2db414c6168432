/* SPDX-License-Identifier: MIT */
/*
 * Event sources; see source.h.
 */
#include "source.h"

#include <errno.h>

#include "base/fd.h"

int source_open(struct source *s, int epoll, int fd, uint32_t events,
	void (*fn)(struct source *, uint32_t), void *owner)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	*s = (struct source){fd, fn, owner};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int r = -errno;

		fd_close(&s->fd);
		return r;
	}
	return 0;
}

void source_set(struct source *s, int epoll, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	if (s->fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &ev) < 0 && errno == ENOENT)
		epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &ev);
}

void source_pause(struct source *s, int epoll)
{
	if (s->fd >= 0)
		epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
}

/* Removed by hand: the set would keep the file while anybody else still has it open. */
void source_close(struct source *s, int epoll)
{
	if (s->fd >= 0)
		epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
	fd_close(&s->fd);
}
