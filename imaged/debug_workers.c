/* SPDX-License-Identifier: MIT */
/*
 * Workers of a debug run; see debug_workers.h.
 */
#include "debug_workers.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../proto/base/fd.h"
#include "../proto/daemon.h"

#define ARGS_MAX 64

_noreturn_ static void become_worker(int channel, const char *const *argv)
{
	if (channel != DAEMON_CHANNEL_FD)
		dup2(channel, DAEMON_CHANNEL_FD);
	fd_set_cloexec(DAEMON_CHANNEL_FD, false);
	fd_close_all_but(DAEMON_CHANNEL_FD + 1, NULL, 0);
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int start_one(
	struct debug_workers *w, const char *kind, const char *const *argv, struct err *e)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(e, errno, "making a worker's channel");
	pid = fork();
	if (pid == 0)
		become_worker(ends[1], argv);
	fd_close(&ends[1]);
	if (pid < 0) {
		fd_close(&ends[0]);
		return err_errno(e, errno, "starting a worker");
	}
	w->kind[w->n] = kind;
	w->channel[w->n] = ends[0];
	w->pid[w->n++] = pid;
	return 0;
}

int debug_workers_start(struct debug_workers *w, const char *name, const char *certs_dir,
	const char *const *insecure, unsigned int n_unpack, struct err *e)
{
	const char *const unpack[] = {"imaged", "--unpack", "--name", name, NULL};
	const char *fetch[ARGS_MAX] = {"imaged", "--fetch", "--name", name};
	unsigned int n = 4;
	int r;

	if (certs_dir) {
		fetch[n++] = "--certs-dir";
		fetch[n++] = certs_dir;
	}
	for (; *insecure && n + 2 < ARGS_MAX; insecure++) {
		fetch[n++] = "--insecure-registry";
		fetch[n++] = *insecure;
	}
	r = start_one(w, "fetch", fetch, e);
	while (r == 0 && w->n < 1 + n_unpack && w->n < DEBUG_WORKERS_MAX)
		r = start_one(w, "unpack", unpack, e);
	return r;
}

void debug_workers_wait(struct debug_workers *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		fd_close(&w->channel[i]);
	for (unsigned int i = 0; i < w->n; i++)
		while (waitpid(w->pid[i], NULL, 0) < 0 && errno == EINTR)
			;
}
