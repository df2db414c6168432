/* SPDX-License-Identifier: MIT */
/*
 * The shim's loop: messages of the supervisor, words of the first process, deaths of children. Runs
 * as the container's own host user without capabilities; trusts the supervisor, and of the
 * container nothing.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clean.h"
#include "clock.h"

#define SPEC_MAX (4U << 20)

/* ---- the first process ---- */

/* Execs are reaped on the way: the kernel keeps a pid 1 until nothing else is left of its
 * namespace, and they are our children. */
static void kill_first(struct shim *s)
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
	for (int i = 0; i < NS_COUNT; i++)
		fd_close(&s->ns[i]);
	for (uint32_t i = 0; i < s->n_procs; i++)
		fd_close(&s->procs[i]);
	fd_close(&s->pts);
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

static void on_child(struct source *src, uint32_t events)
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

static void say_exited(struct io *io)
{
	struct shim *s = io->owner;
	bool killed = s->status_code != CLD_EXITED;
	struct shim_exited m = {
		.exit_code = (uint32_t)(killed ? 128 + s->status : s->status) & 0xff,
		.signal = killed ? (uint32_t)s->status : 0,
		.finished_at = s->finished_at};

	s->state = SHIM_ENDED;
	outlog_close(&s->log);
	channel_send(&s->channel, MSG_shim_exited, 0, &m);
	/* Taking namespaces down takes milliseconds: after the news. */
	forget_container(s);
	if (s->channel.fd < 0)
		s->stopping = true;
}

/* What it said before its end is read first. */
static void on_workload_gone(struct shim *s, const siginfo_t *info)
{
	while (s->child_source.fd >= 0 && s->state == SHIM_STARTING)
		on_child(&s->child_source, 0);
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

/* ---- messages ---- */

static int keep(struct shim *s, const struct spec *spec, struct err *e)
{
	struct process p;
	int r = process_rlimits(spec->rlimits.v, spec->rlimits.n, &p, e);

	if (r < 0)
		return r;
	s->tty = spec->tty;
	s->has_in = spec->stdin_open && !spec->tty;
	s->kept = (struct shim_kept){.umask = spec->umask,
		.oom_score_adj = spec->oom_score_adj,
		.caps = spec->caps,
		.new_privs = spec->new_privs,
		.cwd = strdup(spec->cwd),
		.n_rlimits = p.n_rlimits};
	memcpy(s->kept.rlimits, p.rlimits, sizeof(p.rlimits[0]) * p.n_rlimits);
	return s->kept.cwd ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int read_spec(struct shim *s, int fd, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct spec spec;
	size_t n;
	int r = fd_memfd_read(fd, SPEC_MAX, &buf, &n);

	if (r < 0)
		return err_errno(e, r, "reading the spec");
	r = codec_decode(&schema_spec, buf, n, NULL, 0, &a, &spec, e);
	return r < 0 ? r : keep(s, &spec, e);
}

/* The order goes down as it came, without what stays here. */
static int order_start(struct shim *s, const struct shim_start *m, struct err *e)
{
	struct shim_start order = *m;

	order.log = order.in = order.out = order.err = -1;
	return frame_send(s->first.sock, MSG_shim_start, 0, &order, e);
}

static int begin(struct shim *s, struct shim_start *m, struct frame *f, struct err *e)
{
	int in = frame_take_fd(f, m->in), out = frame_take_fd(f, m->out),
	    err = frame_take_fd(f, m->err);
	int r = io_attach(&s->io, in, out, err, true, e);

	if (r == 0)
		r = read_spec(s, m->spec, e);
	if (r == 0)
		r = order_start(s, m, e);
	if (r == 0 && m->log >= 0)
		r = outlog_open(&s->log, frame_take_fd(f, m->log), e);
	if (r < 0)
		return r;
	if (s->log.fd >= 0)
		s->io.log = &s->log;
	s->n_procs = MIN(m->procs.n, (uint32_t)SHIM_PROCS_MAX);
	for (uint32_t i = 0; i < s->n_procs; i++)
		s->procs[i] = frame_take_fd(f, m->procs.v[i]);
	return 0;
}

static void on_shim_start(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	struct err e = {0};

	s->request = id;
	if (begin(s, msg, f, &e) == 0) {
		s->state = SHIM_STARTING;
		return;
	}
	s->state = SHIM_ENDED;
	io_close(&s->io);
	kill_first(s);
	channel_failed(&s->channel, id, &e);
}

static void on_shim_clean(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	struct err e = {0};

	(void)f;
	s->request = id;
	s->state = SHIM_BUSY;
	if (frame_send(s->first.sock, MSG_shim_clean, 0, msg, &e) == 0)
		return;
	s->state = SHIM_STANDBY;
	channel_failed(&s->channel, id, &e);
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
static void on_clean_ended(struct shim *s, uint32_t id, void *msg, struct frame *f)
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

static void on_shim_signal(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_signal *m = msg;
	struct err e = {0};

	(void)f;
	if (pidfd_send_signal(s->first.pidfd, (int)m->signal, NULL, 0) == 0)
		return channel_done(&s->channel, id);
	err_errno(&e, errno, "sending signal %u", m->signal);
	channel_failed(&s->channel, id, &e);
}

static void on_shim_resize(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_resize *m = msg;
	struct exec *x = m->exec ? exec_find(s, m->exec) : NULL;
	struct err e = {0};
	int r;

	(void)f;
	if (m->exec && !x)
		r = err_set(&e, ESRCH, "no such exec: %u", m->exec);
	else
		r = x ? exec_resize(x, m->rows, m->cols, &e)
		      : io_resize(&s->io, m->rows, m->cols, &e);
	if (r < 0)
		return channel_failed(&s->channel, id, &e);
	channel_done(&s->channel, id);
}

static void on_shim_attach(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_attach *m = msg;
	struct err e = {0};
	int in = frame_take_fd(f, m->in), out = frame_take_fd(f, m->out),
	    err = frame_take_fd(f, m->err);

	if (io_attach(&s->io, in, out, err, false, &e) < 0)
		return channel_failed(&s->channel, id, &e);
	channel_done(&s->channel, id);
}

static void on_shim_end(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	(void)id;
	(void)msg;
	(void)f;
	s->stopping = true;
}

/* What may be asked, and when. */
static const struct row {
	enum msg_type type;
	unsigned int states;
	void (*fn)(struct shim *s, uint32_t id, void *msg, struct frame *f);
} rows[] = {
	{MSG_shim_start, SHIM_STANDBY, on_shim_start},
	{MSG_shim_clean, SHIM_STANDBY, on_shim_clean},
	{MSG_shim_clean, SHIM_ENDED, on_clean_ended},
	{MSG_shim_signal, SHIM_RUNNING, on_shim_signal},
	{MSG_shim_resize, SHIM_RUNNING, on_shim_resize},
	{MSG_shim_attach, SHIM_RUNNING, on_shim_attach},
	{MSG_shim_exec, SHIM_RUNNING, on_shim_exec},
	{MSG_shim_end, ~0U, on_shim_end},
};

static const char *state_name(enum shim_state s)
{
	switch (s) {
	case SHIM_STANDBY:
		return "the container has not been started";
	case SHIM_BUSY:
		return "a clean-up is going on";
	case SHIM_STARTING:
		return "the container is starting";
	case SHIM_RUNNING:
		return "the container is running";
	case SHIM_DRAINING:
	case SHIM_ENDED:
		return "the container has ended";
	}
	return "?";
}

/* The row that may be asked for now, else one of that type. */
static const struct row *find_row(enum msg_type type, unsigned int state)
{
	const struct row *other = NULL;

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].type != type)
			continue;
		if (rows[i].states & state)
			return &rows[i];
		other = &rows[i];
	}
	return other;
}

static int dispatch(struct shim *s, struct frame *f, struct err *e)
{
	union {
		struct shim_start start;
		struct shim_exec exec;
		struct shim_signal signal;
		struct shim_resize resize;
		struct shim_attach attach;
		struct shim_clean clean;
		struct shim_end end;
	} msg;
	const struct row *row = find_row(f->type, s->state);
	struct err why = {0};
	int r = frame_check(f, SUPERVISOR, SHIM, e);

	if (r == 0 && !row)
		r = err_set(e, EBADMSG, "%s: not for a shim", msg_name(f->type));
	if (r == 0)
		r = frame_decode(f, &msg, e);
	if (r < 0)
		return r;
	if (row->states & s->state) {
		row->fn(s, f->id, &msg, f);
		return 0;
	}
	err_set(&why, EBUSY, "%s: %s", msg_name(f->type), state_name(s->state));
	channel_failed(&s->channel, f->id, &why);
	return 0;
}

/* Without a supervisor a container that runs goes on; anything else has lost its purpose. */
static void lose_channel(struct shim *s)
{
	source_close(&s->channel_source, s->epoll);
	s->channel.fd = -1;
	if (s->state != SHIM_RUNNING && s->state != SHIM_STARTING && s->state != SHIM_DRAINING)
		s->stopping = true;
}

static void on_channel(struct source *src, uint32_t events)
{
	struct shim *s = src->owner;

	(void)events;
	do {
		_cleanup_frame_ struct frame f = {0};
		struct err e = {0};
		int r = channel_recv(&s->channel, &f, &e);

		if (r == 0)
			r = dispatch(s, &f, &e);
		if (r == 0 || r == -EAGAIN)
			continue;
		if (e.code)
			log_error("%s", e.text);
		if (r == -ENODATA || !s->channel.text)
			return lose_channel(s);
	} while (channel_more(&s->channel));
}

/* ---- signals and the loop ---- */

static void reap(struct shim *s)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == s->first.pid)
			on_workload_gone(s, &info);
		else
			exec_reaped(s, &info);
	}
}

static void on_signal(struct source *src, uint32_t events)
{
	struct shim *s = src->owner;
	struct signalfd_siginfo info;

	(void)events;
	if (read(src->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(s);
	else
		s->stopping = true;
}

static int open_sources(struct shim *s)
{
	sigset_t set;
	int r, fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->epoll < 0 || fd < 0)
		return -errno;
	r = source_open(&s->signal_source, s->epoll, fd, EPOLLIN, on_signal, s);
	if (r == 0)
		r = source_open(
			&s->channel_source, s->epoll, s->channel.fd, EPOLLIN, on_channel, s);
	if (r == 0)
		r = source_open(&s->child_source, s->epoll, s->first.sock, EPOLLIN, on_child, s);
	return r;
}

/* Milliseconds until somebody's patience ends; -1: nobody waits. */
static int timeout(const struct shim *s)
{
	uint64_t at = exec_deadline(s), now;

	if (s->io.give_up_ns && (at == 0 || s->io.give_up_ns < at))
		at = s->io.give_up_ns;
	if (at == 0)
		return -1;
	now = clock_mono_ns();
	return now >= at ? 0 : (int)((at - now) / 1000000 + 1);
}

/* One event a turn: a handler may close what a later event of the same batch would name. */
static void turn(struct shim *s)
{
	struct epoll_event ev;
	struct source *src;
	int n = epoll_wait(s->epoll, &ev, 1, timeout(s));

	if (n == 1) {
		src = ev.data.ptr;
		src->fn(src, ev.events);
	}
	if (s->io.give_up_ns)
		io_expire(&s->io, clock_mono_ns());
	exec_expire(s, clock_mono_ns());
}

int shim_run(struct shim *s, struct err *e)
{
	int r;

	s->chunk = malloc(IO_CHUNK);
	if (!s->chunk)
		return err_set(e, ENOMEM, "out of memory");
	s->state = SHIM_STANDBY;
	s->log = (struct outlog){.dir = -1, .fd = -1};
	s->pts = -1;
	for (int i = 0; i < NS_COUNT; i++)
		s->ns[i] = -1;
	r = open_sources(s);
	if (r < 0)
		return err_errno(e, r, "setting up the event loop");
	io_init(&s->io, s->epoll, s->chunk, s, say_exited);
	while (!s->stopping)
		turn(s);
	kill_first(s);
	return 0;
}
