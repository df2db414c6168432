/* SPDX-License-Identifier: MIT */
/*
 * Replies of cloned processes; see reply.h. Runs in the shim and, before execve, in its children.
 */
#include "reply.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "frame.h"

int reply_send(int sock, const struct reply *r, const int *fds, uint32_t n_fds)
{
	return frame_send_raw(sock, (const uint8_t *)r, sizeof(*r), fds, n_fds);
}

int reply_word(int sock, enum reply_word word)
{
	struct reply r = {.word = word};

	return reply_send(sock, &r, NULL, 0);
}

/* Without SO_PASSCRED there is room for more of them in the control buffer than in the array. */
static void take_fds(const int *from, size_t n, int fds[REPLY_FDS_MAX], uint32_t *ret_n)
{
	for (size_t i = 0; i < n; i++) {
		if (*ret_n < REPLY_FDS_MAX)
			fds[(*ret_n)++] = from[i];
		else
			close(from[i]);
	}
}

static void take_control(struct msghdr *mh, int fds[REPLY_FDS_MAX], uint32_t *ret_n, pid_t *ret_pid)
{
	struct ucred who;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && n == sizeof(who)) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			*ret_pid = who.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			take_fds((const int *)(const void *)CMSG_DATA(c), n / sizeof(int), fds,
				ret_n);
		}
	}
}

int reply_recv(int sock, struct reply *ret, int fds[REPLY_FDS_MAX], uint32_t *ret_n, pid_t *ret_pid)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * REPLY_FDS_MAX) +
			   CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {ret, sizeof(*ret)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	*ret_n = 0;
	*ret_pid = 0;
	if (n < 0)
		return errno == ECONNRESET ? -ENODATA : -errno;
	take_control(&mh, fds, ret_n, ret_pid);
	if (n == sizeof(*ret) && !(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	while (*ret_n > 0)
		fd_close(&fds[--*ret_n]);
	return n == 0 ? -ENODATA : -EBADMSG;
}
