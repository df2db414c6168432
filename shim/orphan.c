/* SPDX-License-Identifier: MIT */
/*
 * A workload whose first shim has died: its keeper has become the shim and takes over what it
 * holds. Not being the parent it hears of the end by the pidfd, and learns how from the kernel
 * where that can tell (PIDFD_INFO_EXIT, Linux 6.15); else only whoever reaps it knows, the
 * launcher.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clock.h"
#include "confine.h"
#include "pidfd_info.h"
#include "shim.h"

#define ASK_MS	  5000 /* until it has been reaped: some init takes its time */
#define ASK_AGAIN 5000000ULL

static void end(struct shim *s, bool unknown)
{
	s->ask_until_ns = 0;
	s->first.pid = 0;
	s->unknown = unknown;
	s->state = SHIM_DRAINING;
	io_finish(&s->io);
}

/* -EAGAIN before it has been reaped, -ENOTTY by older kernels. */
static int ask(struct shim *s)
{
	struct pidfd_info_v0 info = {.mask = PIDFD_ASK_EXIT};
	int status;

	if (ioctl(s->first.pidfd, PIDFD_ASK, &info) < 0)
		return errno == ESRCH ? -EAGAIN : -ENOTTY;
	if (!(info.mask & PIDFD_ASK_EXIT))
		return -EAGAIN;
	status = info.exit_code;
	s->status_code = WIFEXITED(status) ? CLD_EXITED : CLD_KILLED;
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	return 0;
}

static void on_gone(struct source *src, uint32_t events)
{
	struct shim *s = src->owner;

	(void)events;
	source_close(src, s->epoll);
	first_let_network_go(s);
	s->finished_at = clock_now_ns();
	s->ask_until_ns = clock_mono_ns() + ASK_MS * 1000000ULL;
	orphan_expire(s, clock_mono_ns());
}

uint64_t orphan_deadline(const struct shim *s)
{
	return s->ask_until_ns ? clock_mono_ns() + ASK_AGAIN : 0;
}

void orphan_expire(struct shim *s, uint64_t now_ns)
{
	int r;

	if (!s->ask_until_ns)
		return;
	r = ask(s);
	if (r != -EAGAIN || now_ns >= s->ask_until_ns)
		end(s, r < 0);
}

int orphan_take_over(struct shim *s, struct err *e)
{
	struct hold *h = &s->held;
	struct err lost = {0};
	int pidfd = fcntl(s->first.pidfd, F_DUPFD_CLOEXEC, 3), r;

	s->tty = h->tty;
	s->state = SHIM_RUNNING;
	r = source_open(&s->first_source, s->epoll, pidfd, EPOLLIN, on_gone, s);
	if (r < 0)
		return err_errno(e, r, "watching the workload");
	r = h->log >= 0 ? confine_files(h->log, e) : 0;
	if (r < 0)
		return r;
	if (h->log >= 0 && outlog_open(&s->log, take_fd(&h->log), &lost) == 0)
		s->io.log = &s->log;
	else if (lost.code) /* the container is being removed, or worse: it can be stopped at least
			     */
		log_error("%s", lost.text);
	r = io_open(&s->io, h->outputs, h->n_outputs, h->tty, false, e);
	s->first.rtnl = take_fd(&h->rtnl);
	s->first.netns = s->first.rtnl < 0 ? -1 : fcntl(h->join.ns[NS_NET], F_DUPFD_CLOEXEC, 3);
	/* The new keeper has its own. */
	for (int i = 0; i < NS_COUNT; i++)
		fd_close(&h->join.ns[i]);
	hold_let_go(h);
	return r < 0 || wait_for_next(s) ? r : err_set(e, ENOTCONN, "nobody can reach this shim");
}
