/* SPDX-License-Identifier: MIT */
/*
 * Lies where the launcher looks for a program, and hands its channel to the rogue that listens on
 * the abstract socket STUB_SOCKET, with its command line. Static, since a shim starts where there
 * are no files. Lives until the rogue lets go of it.
 */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS 4 /* the channel; a supervisor has three more */

static size_t join(char *out, size_t size, int argc, char **argv)
{
	size_t n = 0;

	for (int i = 0; i < argc; i++) {
		size_t len = strlen(argv[i]) + 1;

		if (n + len > size)
			break;
		memcpy(out + n, argv[i], len);
		n += len;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int) * FDS)];
	} control = {0};
	char words[4096], byte;
	struct iovec iov = {words, join(words, sizeof(words), argc, argv)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
	int n = argc > 1 && strcmp(argv[1], "--serve") == 0 ? FDS : 1;
	const int fds[FDS] = {3, 4, 5, 6};
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	memcpy(to.sun_path + 1, STUB_SOCKET, strlen(STUB_SOCKET));
	if (connect(s, (struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(STUB_SOCKET))) <
		0)
		return 1;
	mh.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * (size_t)n);
	if (sendmsg(s, &mh, 0) < 0)
		return 1;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return read(s, &byte, 1) != 0;
}
