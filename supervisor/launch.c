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

/* The kernel fills up the padding behind one descriptor with a second one. */
static int only_fd(struct msghdr *mh)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	int v[CMSG_SPACE(sizeof(int)) / sizeof(int)];
	size_t n;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(v, CMSG_DATA(c), n * sizeof(int));
	if (n == 1)
		return v[0];
	while (n-- > 0)
		fd_close(&v[n]);
	return -EBADMSG;
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
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_fd = only_fd(&mh);
	if (n == 0 && *ret_fd == -1)
		return -ENODATA;
	if (n != sizeof(*ret) || *ret_fd == -EBADMSG || mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fd_close(ret_fd);
		return -EBADMSG;
	}
	return 0;
}
