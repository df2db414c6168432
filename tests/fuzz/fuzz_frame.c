/* SPDX-License-Identifier: MIT */
/*
 * Any bytes with any number of descriptors as a frame on a socket: refused, or read as a message
 * that one process may send to another. No descriptor is left behind. The first two bytes choose
 * the roles, the third how many descriptors ride along.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"

#define ROLES	9
#define FDS_MAX 253 /* SCM_MAX_FD: more than a frame may have */
#define ROOM	16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void decode(struct frame *f)
{
	const struct msg_row *row = msg_row(f->type);
	void *obj = malloc(row->schema->size);
	struct frame_out out = {0};
	struct err e = {0};

	check(obj);
	if (frame_decode(f, obj, &e) == 0) {
		check(frame_encode(f->type, f->id, obj, &out, &e) == 0 && out.fds.n == f->n_fds);
		free(out.buf);
	} else {
		check(e.code > 0 && e.text[0]);
	}
	free(obj);
}

/* frame_send_raw() sends no more descriptors than a frame may have. */
static void send_bytes(int fd, const uint8_t *data, size_t size, size_t n_fds)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)data, size};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &fd, sizeof(int));
	}
	sendmsg(fd, &mh, MSG_NOSIGNAL);
}

/* What comes gets the lowest numbers that are free; other numbers may be libFuzzer's. */
static unsigned int count_open(int above, size_t n)
{
	unsigned int open = 0;

	for (int fd = above + 1; fd <= above + (int)n; fd++)
		open += fcntl(fd, F_GETFD) >= 0;
	return open;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f = {0};
	struct err e = {0};
	unsigned int open;
	size_t n_fds;
	int pair[2];

	if (size < 3 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	n_fds = data[2] < FDS_MAX ? data[2] : FDS_MAX;
	open = count_open(pair[1], n_fds + ROOM);
	send_bytes(pair[0], data + 3, size - 3, n_fds);
	if (frame_recv(pair[1], &f, &e) == 0) {
		if (frame_check(&f, 1 << data[0] % ROLES, 1 << data[1] % ROLES, &e) == 0)
			decode(&f);
		frame_free(&f);
	}
	check(count_open(pair[1], n_fds + ROOM) == open);
	close(pair[1]);
	close(pair[0]);
	return 0;
}
