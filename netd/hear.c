/* SPDX-License-Identifier: MIT */
/*
 * Sockets of netlink's multicast groups. Runs in netd. What doesn't come from the kernel is passed
 * over.
 */
#include "hear.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "batch.h"

#define DATAGRAM_MAX 32768 /* the kernel packs notifications into pages, NLMSG_GOODSIZE each */
/* Room for a load of thousands of containers, until the loop comes round. */
#define RECEIVE_BUFFER (8 << 20)

int hear_open(int protocol, uint32_t groups, struct err *e)
{
	/* Bound, not only a member of the groups: without an address nothing is delivered. */
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int size = RECEIVE_BUFFER, fd = batch_socket(protocol, e);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		err_errno(e, errno, "listening to the kernel's notifications");
		fd_close(&fd);
		return -e->code;
	}
	return fd;
}

int hear_read(int fd, int (*fn)(void *arg, struct nlmsghdr *h), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[DATAGRAM_MAX];
	struct sockaddr_nl from;
	int n = 0, lost = 0;

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC,
			(struct sockaddr *)&from, &len);
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != ENOBUFS)
			return lost ? lost : n;
		if (got < 0 || got > (ssize_t)sizeof(buf))
			lost = -ENOBUFS;
		if (got < 0 || got > (ssize_t)sizeof(buf) || from.nl_pid != 0)
			continue;
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
			n += fn(arg, h);
	}
}
