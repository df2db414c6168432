/* SPDX-License-Identifier: MIT */
/*
 * The shim's loop: messages of the supervisor, words of the first process, deaths of children. Runs
 * as the container's own host user without capabilities; trusts the supervisor, and of the
 * container nothing.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clock.h"
#include "confine.h"

#define SPEC_MAX (4U << 20)

/* ---- messages ---- */

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
	if (r < 0)
		return r;
	s->tty = spec.tty;
	s->visit = spec.visit;
	s->has_in = spec.stdin_open && !spec.tty && !spec.visit;
	return 0;
}

/* The order goes down as it came, without what stays here: a workload's streams are pumped. */
static int order_start(struct shim *s, const struct shim_start *m, struct err *e)
{
	struct shim_start order = *m;

	order.log = -1;
	if (!s->visit)
		order.in = order.out = order.err = -1;
	return frame_send(s->first.sock, MSG_shim_start, 0, &order, e);
}

static int attach_client(struct shim *s, struct shim_start *m, struct frame *f, struct err *e)
{
	int in = frame_take_fd(f, m->in), out = frame_take_fd(f, m->out),
	    err = frame_take_fd(f, m->err);

	m->in = m->out = m->err = -1;
	return io_attach(&s->io, in, out, err, true, e);
}

/* A visit gets its streams as they are: they must be pipes, and no files of the host's. */
static int check_streams(const struct shim_start *m, struct err *e)
{
	const int fds[] = {m->in, m->out, m->err};

	for (unsigned int i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0 && !fd_is_pipe(fds[i]))
			return err_set(e, EINVAL, "a visit's stream is no pipe");
	return 0;
}

static int begin(struct shim *s, struct shim_start *m, struct frame *f, struct err *e)
{
	int r = read_spec(s, m->spec, e);

	if (r == 0)
		r = s->visit ? check_streams(m, e) : attach_client(s, m, f, e);
	if (r == 0)
		r = order_start(s, m, e);
	if (r == 0 && m->log >= 0 && !s->channel.text)
		r = confine_files(m->log, e);
	if (r == 0 && m->log >= 0 && !s->visit)
		r = outlog_open(&s->log, frame_take_fd(f, m->log), e);
	if (r < 0)
		return r;
	if (s->log.fd >= 0)
		s->io.log = &s->log;
	s->hold.spec = frame_take_fd(f, m->spec);
	s->hold.filter = frame_take_fd(f, m->filter);
	s->hold.log = s->log.dir >= 0 ? fcntl(s->log.dir, F_DUPFD_CLOEXEC, 3) : -1;
	s->hold.n_procs = m->procs.n;
	for (uint32_t i = 0; i < m->procs.n; i++)
		s->hold.procs[i] = frame_take_fd(f, m->procs.v[i]);
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
	hold_drop(&s->hold);
	first_kill(s);
	channel_failed(&s->channel, id, &e);
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

/* A supervisor that asks did not hear of the end: its predecessor died with the news. */
static void on_signal_ended(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	struct err e;

	(void)msg;
	(void)f;
	if (s->finished_at)
		first_say_end(s);
	err_set(&e, ESRCH, "the container has ended");
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
	{MSG_shim_signal, SHIM_ENDED, on_signal_ended},
	{MSG_shim_resize, SHIM_RUNNING, on_shim_resize},
	{MSG_shim_attach, SHIM_RUNNING, on_shim_attach},
	{MSG_shim_exec, SHIM_RUNNING, on_shim_exec},
	{MSG_shim_network, SHIM_RUNNING, on_shim_network},
	{MSG_shim_measure, SHIM_STANDBY | SHIM_RUNNING | SHIM_ENDED, on_shim_measure},
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
		struct shim_measure measure;
		struct shim_network network;
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

/* The launcher keeps a duplicate of the other end for the next supervisor: when that is closed as
 * well, the whole engine is gone. What runs waits for the next one; at the end of a debugging
 * script it runs on. */
static void lose_channel(struct shim *s)
{
	source_close(&s->channel_source, s->epoll);
	s->channel.fd = -1;
	if (wait_for_next(s))
		return;
	if (!s->channel.text)
		s->stopping = true;
	else if (s->state != SHIM_RUNNING && s->state != SHIM_STARTING && s->state != SHIM_DRAINING)
		s->stopping = true;
}

void on_channel(struct source *src, uint32_t events)
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
		if (e.code && s->channel.text)
			channel_failed(&s->channel, f.id, &e);
		else if (e.code)
			log_error("%s", e.text);
		if (r == -ENODATA || !s->channel.text)
			return lose_channel(s);
	} while (channel_more(&s->channel));
}

/* ---- signals and the loop ---- */

/* Until it is reaped, a child's number is nobody else's. */
static void reap(struct shim *s)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		exec_ending(s, info.si_pid);
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
		if (info.si_pid == s->first.pid)
			first_gone(s, &info);
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
	if (r == 0 && s->channel.fd >= 0)
		r = source_open(
			&s->channel_source, s->epoll, s->channel.fd, EPOLLIN, on_channel, s);
	if (r == 0 && s->first.sock >= 0)
		r = source_open(
			&s->child_source, s->epoll, s->first.sock, EPOLLIN, first_listen, s);
	return r;
}

/* Milliseconds until somebody's patience ends; -1: nobody waits. */
static int timeout(const struct shim *s)
{
	uint64_t at = exec_deadline(s), ask = orphan_deadline(s), now;

	if (ask && (at == 0 || ask < at))
		at = ask;
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
	orphan_expire(s, clock_mono_ns());
}

int shim_prepare(struct shim *s, struct err *e)
{
	int r;

	s->chunk = malloc(IO_CHUNK);
	if (!s->chunk)
		return err_set(e, ENOMEM, "out of memory");
	s->state = SHIM_STANDBY;
	s->log = (struct outlog){.dir = -1, .fd = -1};
	s->hold = (struct shim_hold){
		.spec = -1, .filter = -1, .pts = -1, .log = -1, .outputs = {-1, -1}};
	s->first_source.fd = -1;
	for (int i = 0; i < NS_COUNT; i++)
		s->hold.ns[i] = -1;
	r = open_sources(s);
	if (r < 0)
		return err_errno(e, r, "setting up the event loop");
	io_init(&s->io, s->epoll, s->chunk, s, first_say_exited);
	return s->held.full ? orphan_take_over(s, e) : 0;
}

void shim_serve(struct shim *s)
{
	while (!s->stopping)
		turn(s);
	first_kill(s);
}
