/* SPDX-License-Identifier: MIT */
/*
 * Giving files away for the process that unpacks; see copy.h. What is asked for is not trusted: a
 * descriptor has to be one for reading or writing, which Landlock let its sender open, and its file
 * the caller's own.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "copy.h"
#include "frame.h"
#include "side.h"

struct gift {
	uint32_t uid, gid;
};

/* fchown(2) refuses descriptors of O_PATH. */
static int give(uid_t own, int fd, const struct gift *g)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != own || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return -EPERM;
	return fchown(fd, g->uid, g->gid) < 0 ? -errno : 0;
}

_noreturn_ static void serve(int sock)
{
	static const struct sandbox_place none[] = {{NULL, -1}};
	uid_t own = geteuid();
	struct err e = {0};

	fd_close_all_but(STDERR_FILENO + 1, &sock, 1);
	prctl(PR_SET_NAME, profile_give.program);
	log_open(profile_give.program, LOG_ERROR);
	if (priv_enter(&profile_give, own, getegid(), &e) < 0 ||
		sandbox_enter(&profile_give, none, false, &e) < 0)
		_exit(1);
	for (;;) {
		_cleanup_fd_ int fd = -1;
		struct gift g;
		int32_t answer;

		if (frame_recv_raw(sock, &g, sizeof(g), &fd) < 0 || fd < 0)
			_exit(0);
		answer = give(own, fd, &g);
		if (frame_send_raw(sock, (const uint8_t *)&answer, sizeof(answer), NULL, 0) < 0)
			_exit(0);
	}
}

int copy_give_start(pid_t *ret_pid, int *ret_sock, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, errno, "socketpair");
	*ret_pid = fork();
	if (*ret_pid == 0) {
		side_shield(false);
		serve(pair[1]);
	}
	close(pair[1]);
	if (*ret_pid > 0) {
		*ret_sock = pair[0];
		return 0;
	}
	close(pair[0]);
	return err_errno(e, errno, "fork");
}

int copy_give(void *ctx, int fd, uid_t uid, gid_t gid)
{
	const struct gift g = {uid, gid};
	int sock = *(const int *)ctx, none, r;
	int32_t answer;

	r = frame_send_raw(sock, (const uint8_t *)&g, sizeof(g), &fd, 1);
	if (r < 0)
		return r == -EPIPE ? -ECHILD : r;
	if (frame_recv_raw(sock, &answer, sizeof(answer), &none) < 0)
		return -ECHILD;
	fd_close(&none);
	return answer;
}
