/* SPDX-License-Identifier: MIT */
/*
 * --init: pid 1 that reaps and passes signals on. It is the first process itself going on, so no
 * program of the engine appears inside; not dumpable, so that /proc/1/exe leads nowhere; with the
 * workload's own user and capabilities, and no descriptor.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "title.h"

/* Ends as the workload did, when it was the workload. */
static void reap(pid_t workload)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == workload)
			_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

_noreturn_ static void serve(pid_t workload, const sigset_t *all)
{
	for (;;) {
		int sig = sigwaitinfo(all, NULL);

		if (sig == SIGCHLD)
			reap(workload);
		else if (sig > 0)
			kill(workload, sig);
		else if (errno != EINTR)
			_exit(125); /* its filter does not let it wait */
	}
}

int init_fork(const struct sock_fprog *filter, struct err *e)
{
	sigset_t all, before;
	pid_t pid;

	/* Blocked signals reach a pid 1 even though it has no handlers for them. */
	sigfillset(&all);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid < 0)
		return err_errno(e, errno, "forking the workload");
	if (pid > 0) {
		close_range(0, ~0U, 0);
		title_set("init");
		prctl(PR_SET_DUMPABLE, 0);
		if (filter_install(filter, NULL) < 0)
			_exit(125);
		serve(pid, &all);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return 0;
}
