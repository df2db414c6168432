/* SPDX-License-Identifier: MIT */
/*
 * Fixed-size frames between launcher and supervisor; see launch.h.
 */
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "frame.h"

int launch_send(int fd, const struct launch_frame *f, int with_fd)
{
	return frame_send_raw(fd, (const uint8_t *)f, sizeof(*f), &with_fd, with_fd >= 0 ? 1 : 0);
}

int launch_recv(int fd, struct launch_frame *ret, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {ret, sizeof(*ret)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&mh);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	if (n == 0)
		return -ENODATA;
	if (n != sizeof(*ret) || mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fd_close(ret_fd);
		return -EBADMSG;
	}
	return 0;
}
