/* SPDX-License-Identifier: MIT */
/*
 * Without a supervisor: when the engine that started this shim has died as a whole, a container
 * goes on, or its exit status is kept, until the next engine's launcher connects to the socket that
 * ours had made. It lies in a directory of root's; and only root is answered.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "shim.h"

/* A standby is of no use to anybody, a start that was cut off is undone, and so is a visit. */
bool wait_for_next(struct shim *s)
{
	const unsigned int worth = SHIM_RUNNING | SHIM_DRAINING | SHIM_ENDED | SHIM_BUSY;

	if (s->listener.fd < 0 || s->visit || !(s->state & worth) ||
		(s->state == SHIM_ENDED && !s->finished_at))
		return false;
	source_set(&s->listener, s->epoll, EPOLLIN);
	return true;
}

static bool is_root(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid == 0;
}

void wait_listen(struct source *src, uint32_t events)
{
	struct shim *s = src->owner;
	int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (!is_root(fd)) {
		log_warn("somebody who is not root has connected");
		close(fd);
		return;
	}
	source_pause(src, s->epoll);
	s->channel.fd = fd;
	if (source_open(&s->channel_source, s->epoll, fd, EPOLLIN, on_channel, s) < 0)
		s->stopping = true;
}
