/* SPDX-License-Identifier: MIT */
/*
 * The shim's side of the first process: what it says until execve, its end, and cleaning up behind
 * it. The words come from our own code in a process that nobody else has entered yet.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clean.h"
#include "clock.h"

/* Execs are reaped on the way: the kernel keeps a pid 1 until nothing else is left of its
 * namespace, and they are our children. */
void first_kill(struct shim *s)
{
	pid_t pid = 0;

	if (s->first.pid <= 0)
		return;
	pidfd_send_signal(s->first.pidfd, SIGKILL, NULL, 0);
	while (pid != s->first.pid && (pid >= 0 || errno == EINTR))
		pid = waitpid(-1, NULL, 0);
	s->first.pid = 0;
}

static void say_ready(struct shim *s, int rtnl)
{
	struct shim_ready m = {.pid = (uint32_t)s->first.pid,
		.pidfd = s->first.pidfd,
		.userns = s->first.userns,
		.netns = s->first.netns,
		.rtnl = rtnl};

	channel_send(&s->channel, MSG_shim_ready, 0, &m);
	/* With --debug the descriptors are the user's to name in later lines. */
	if (s->channel.text)
		return;
	close(rtnl);
	fd_close(&s->first.netns);
}

static void on_running(struct shim *s, const int *fds, uint32_t n)
{
	const uint32_t fixed = NS_COUNT + 1;

	if (n < fixed) {
		err_set(&s->failure, EPROTO, "the first process sent %u descriptors", n);
		return;
	}
	memcpy(s->ns, fds, sizeof(s->ns));
	s->pts = fds[NS_COUNT];
	s->announced = true;
	io_open(&s->io, fds + fixed, n - fixed, s->tty, s->has_in, &s->failure);
}

static void forget_container(struct shim *s)
{
	ns_close(s->ns);
	for (uint32_t i = 0; i < s->n_procs; i++)
		fd_close(&s->procs[i]);
	fd_close(&s->pts);
	fd_close(&s->filter);
}

/* execve has closed the socket, or death has. */
static void on_child_closed(struct shim *s)
{
	struct shim_started m = {.started_at = clock_now_ns()};
	enum shim_state was = s->state;

	source_close(&s->child_source, s->epoll);
	if (was == SHIM_ENDED)
		return;
	if (was == SHIM_STARTING && s->announced && s->failure.code == 0) {
		s->state = SHIM_RUNNING;
		channel_send(&s->channel, MSG_shim_started, s->request, &m);
		return;
	}
	if (s->failure.code == 0)
		err_set(&s->failure, ECHILD, "the first process ended before it could execute");
	s->state = SHIM_ENDED;
	io_close(&s->io);
	forget_container(s);
	if (was == SHIM_STARTING || was == SHIM_BUSY) {
		channel_failed(&s->channel, s->request, &s->failure);
	} else {
		log_error("%s", s->failure.text);
		s->stopping = true;
	}
}

static void on_cleaned(struct shim *s, const struct reply *r)
{
	s->state = SHIM_STANDBY;
	if (r->word == REPLY_CLEANED)
		channel_done(&s->channel, s->request);
	else
		channel_failed(&s->channel, s->request, &r->err);
}

void first_listen(struct source *src, uint32_t events)
{
	struct shim *s = src->owner;
	int fds[REPLY_FDS_MAX], r;
	struct reply reply;
	uint32_t n;
	pid_t pid;

	(void)events;
	r = reply_recv(src->fd, &reply, fds, &n, &pid);
	if (r == -EAGAIN)
		return;
	if (r < 0)
		on_child_closed(s);
	else if (s->state == SHIM_BUSY)
		on_cleaned(s, &reply);
	else if (reply.word == REPLY_READY && n == 1)
		say_ready(s, fds[0]);
	else if (reply.word == REPLY_RUNNING)
		on_running(s, fds, n);
	else if (reply.word == REPLY_FAILED)
		s->failure = reply.err;
}

void first_say_end(struct shim *s)
{
	bool killed = s->status_code != CLD_EXITED;
	struct shim_exited m = {
		.exit_code = (uint32_t)(killed ? 128 + s->status : s->status) & 0xff,
		.signal = killed ? (uint32_t)s->status : 0,
		.finished_at = s->finished_at};

	channel_send(&s->channel, MSG_shim_exited, 0, &m);
}

void first_say_exited(struct io *io)
{
	struct shim *s = io->owner;

	s->state = SHIM_ENDED;
	outlog_close(&s->log);
	first_say_end(s);
	/* Taking namespaces down takes milliseconds: after the news. */
	forget_container(s);
	if (s->channel.fd < 0)
		s->stopping = true;
}

/* What it said before its end is read first. */
void first_gone(struct shim *s, const siginfo_t *info)
{
	while (s->child_source.fd >= 0 && s->state == SHIM_STARTING)
		first_listen(&s->child_source, 0);
	s->first.pid = 0;
	if (s->state != SHIM_RUNNING) {
		if (s->child_source.fd >= 0)
			on_child_closed(s);
		return;
	}
	s->status = info->si_status;
	s->status_code = info->si_code;
	s->finished_at = clock_now_ns();
	s->state = SHIM_DRAINING;
	io_finish(&s->io);
}

/* In a child of our own that joins the dead container's user namespace, which lives as long as our
 * descriptor of it: its owner is privileged inside. */
_noreturn_ static void clean_inside(int userns, int dir, int report)
{
	struct err e = {0};

	if (setns(userns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		err_errno(&e, errno, "joining the container's user namespace");
	else
		clean_directory(dir, &e);
	fd_write_all(report, &e, sizeof(e));
	_exit(0);
}

/* Nothing else is left to do here, so it may block. */
void on_clean_ended(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_clean *m = msg;
	struct err e = {0};
	int report[2];
	pid_t pid;

	(void)f;
	if (pipe2(report, O_CLOEXEC) < 0) {
		err_errno(&e, errno, "pipe");
		return channel_failed(&s->channel, id, &e);
	}
	pid = fork();
	if (pid == 0)
		clean_inside(s->first.userns, m->writable, report[1]);
	close(report[1]);
	if (pid < 0)
		err_errno(&e, errno, "fork");
	else if (fd_read_full(report[0], &e, sizeof(e)) < 0)
		err_set(&e, EIO, "the process that cleaned up died");
	close(report[0]);
	if (e.code)
		return channel_failed(&s->channel, id, &e);
	channel_done(&s->channel, id);
}
