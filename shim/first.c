/* SPDX-License-Identifier: MIT */
/*
 * The shim's side of the first process: what it says until execve, its end, and cleaning up behind
 * it. The words come from our own code in a process that nobody else has entered yet.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clock.h"

/* Execs are reaped on the way: the kernel keeps a pid 1 until nothing else is left of its
 * namespace, and they are our children. */
void first_kill(struct shim *s)
{
	pid_t pid = 0;

	if (s->first.pid <= 0 || s->ask_until_ns)
		return;
	pidfd_send_signal(s->first.pidfd, SIGKILL, NULL, 0);
	while (pid != s->first.pid && (pid >= 0 || errno == EINTR))
		pid = waitpid(-1, NULL, 0);
	s->first.pid = 0;
}

/* Both hold the network namespace, which is to go when its processes have. */
void first_let_network_go(struct shim *s)
{
	fd_close(&s->first.rtnl);
	fd_close(&s->first.netns);
}

static void say_ready(struct shim *s, int rtnl)
{
	struct shim_ready m = {.pid = (uint32_t)s->first.pid,
		.pidfd = s->first.pidfd,
		.userns = s->first.userns,
		.netns = s->first.netns,
		.rtnl = rtnl};

	s->first.rtnl = rtnl;
	channel_send(&s->channel, MSG_shim_ready, 0, &m);
	/* The host's is nothing to keep. With --debug it is the user's to name in later lines. */
	if (s->host_net && !s->channel.text)
		first_let_network_go(s);
}

void on_shim_network(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_networked m = {.netns = s->first.netns, .rtnl = s->first.rtnl};
	struct err e;

	(void)msg;
	(void)f;
	if (m.netns >= 0 && m.rtnl >= 0)
		return channel_send(&s->channel, MSG_shim_networked, id, &m);
	err_set(&e, ENOENT, "the way into the container's network is lost");
	channel_failed(&s->channel, id, &e);
}

static void on_running(struct shim *s, const int *fds, uint32_t n)
{
	const uint32_t fixed = NS_COUNT + 1;

	if (n < fixed) {
		err_set(&s->failure, EPROTO, "the first process sent %u descriptors", n);
		return;
	}
	memcpy(s->hold.ns, fds, sizeof(s->hold.ns));
	s->hold.pts = fds[NS_COUNT];
	/* Not its input: that ends when the shim closes it. */
	for (uint32_t i = fixed + s->has_in; i < n && s->hold.n_outputs < 2; i++)
		s->hold.outputs[s->hold.n_outputs++] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	s->announced = true;
	io_open(&s->io, fds + fixed, n - fixed, s->tty, s->has_in, &s->failure);
}

void hold_drop(struct shim_hold *h)
{
	for (int i = 0; i < NS_COUNT; i++)
		fd_close(&h->ns[i]);
	for (uint32_t i = 0; i < h->n_procs; i++)
		fd_close(&h->procs[i]);
	h->n_procs = 0;
	for (uint32_t i = 0; i < h->n_outputs; i++)
		fd_close(&h->outputs[i]);
	h->n_outputs = 0;
	fd_close(&h->spec);
	fd_close(&h->filter);
	fd_close(&h->pts);
	fd_close(&h->log);
}

/* The descriptors are the keeper's from now on. */
static void hold_give(struct shim *s)
{
	struct shim_hold *h = &s->hold;
	const struct keeper_hold m = {.spec = h->spec,
		.ns = {h->ns, NS_COUNT},
		.pts = h->pts,
		.procs = {h->procs, h->n_procs},
		.filter = h->filter,
		.log = h->log,
		.outputs = {h->outputs, h->n_outputs},
		.rtnl = s->first.rtnl};
	struct err e = {0};

	if (keeper_say(&s->keeper, MSG_keeper_hold, &m, &e) < 0)
		log_error("%s", e.text);
	hold_drop(h);
}

static void clean_begin(struct shim *s, uint32_t id)
{
	s->request = id;
	s->before_clean = s->state;
	s->state = SHIM_BUSY;
}

static void clean_failed(struct shim *s, const struct err *e)
{
	s->state = s->before_clean;
	channel_failed(&s->channel, s->request, e);
}

/* execve has closed the socket, or death has. */
static void on_child_closed(struct shim *s)
{
	struct shim_started m = {.started_at = clock_now_ns()};
	enum shim_state was = s->state;

	source_close(&s->child_source, s->epoll);
	if (was == SHIM_ENDED)
		return;
	if (was == SHIM_BUSY && s->before_clean == SHIM_ENDED) {
		err_set(&s->failure, EIO, "the process that cleaned up died");
		return clean_failed(s, &s->failure);
	}
	if (was == SHIM_STARTING && s->announced && s->failure.code == 0) {
		s->state = SHIM_RUNNING;
		if (s->visit) { /* nobody joins it, nor takes it over */
			hold_drop(&s->hold);
			first_let_network_go(s);
		} else {
			hold_give(s); /* first: what is known to run can be taken over */
		}
		channel_send(&s->channel, MSG_shim_started, s->request, &m);
		return;
	}
	if (s->failure.code == 0)
		err_set(&s->failure, ECHILD, "the first process ended before it could execute");
	s->state = SHIM_ENDED;
	io_close(&s->io);
	hold_drop(&s->hold);
	first_let_network_go(s);
	if (was == SHIM_STARTING || was == SHIM_BUSY) {
		channel_failed(&s->channel, s->request, &s->failure);
	} else {
		log_error("%s", s->failure.text);
		s->stopping = true;
	}
}

static void on_cleaned(struct shim *s, const struct reply *r)
{
	s->state = s->before_clean;
	if (s->state == SHIM_ENDED)
		source_close(&s->child_source, s->epoll);
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
		.finished_at = s->finished_at,
		.unknown = s->unknown};

	channel_send(&s->channel, MSG_shim_exited, 0, &m);
}

void first_say_exited(struct io *io)
{
	struct shim *s = io->owner;
	const struct keeper_forget nothing = {0};
	struct err e = {0};

	s->state = SHIM_ENDED;
	outlog_close(&s->log);
	first_say_end(s);
	/* Taking namespaces down takes milliseconds: after the news. */
	if (keeper_say(&s->keeper, MSG_keeper_forget, &nothing, &e) < 0)
		log_error("%s", e.text);
	if (s->channel.fd < 0 && !wait_for_next(s))
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
	first_let_network_go(s);
	s->status = info->si_status;
	s->status_code = info->si_code;
	s->finished_at = clock_now_ns();
	s->state = SHIM_DRAINING;
	io_finish(&s->io);
}

/* ---- cleaning up ---- */

void on_shim_clean(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	struct err e = {0};

	(void)f;
	clean_begin(s, id);
	if (frame_send(s->first.sock, MSG_shim_clean, 0, msg, &e) < 0)
		clean_failed(s, &e);
}

void on_clean_ended(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_clean *m = msg;
	struct keeper_clean order = {.writable = m->writable};
	struct err e = {0};
	int pair[2], r;

	(void)f;
	clean_begin(s, id);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err_errno(&e, errno, "making a socket pair");
		return clean_failed(s, &e);
	}
	order.sock = pair[1];
	r = source_open(&s->child_source, s->epoll, pair[0], EPOLLIN, first_listen, s);
	if (r < 0)
		err_errno(&e, r, "watching the process that cleans up");
	else
		r = keeper_say(&s->keeper, MSG_keeper_clean, &order, &e);
	close(pair[1]);
	if (r == 0)
		return;
	source_close(&s->child_source, s->epoll);
	clean_failed(s, &e);
}

/* ---- measuring ---- */

void on_shim_measure(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_measure *m = msg;
	const struct keeper_measure order = {.writable = m->writable, .out = m->out};
	struct err e = {0};

	(void)f;
	if (keeper_say(&s->keeper, MSG_keeper_measure, &order, &e) < 0)
		channel_failed(&s->channel, id, &e);
	else
		channel_done(&s->channel, id);
}
