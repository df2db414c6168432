/* SPDX-License-Identifier: MIT */
/*
 * exec: one more process in the container. The keeper makes it as the shim's own child; what it
 * says until execve comes over a socket, its output over pipes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clock.h"
#include "shim.h"

#define SPEC_MAX  (4U << 20)
#define EXECS_MAX 256

struct exec {
	struct exec *next;
	struct shim *shim;
	uint32_t number, request;
	pid_t pid; /* 0 until it is about to execve */
	struct source sock;
	struct io io;
	bool tty, has_in, replied, exited;
	uint32_t code;
	struct err failure;
	struct io_kept kept;
	uint32_t timeout_ms;
	uint64_t kill_at_ns; /* monotonic; 0: it has not begun, or no time is set */
	bool timed_out;
};

struct exec *exec_find(struct shim *s, uint32_t number)
{
	struct exec *x = s->execs;

	while (x && x->number != number)
		x = x->next;
	return x;
}

static void exec_free(struct exec *x)
{
	struct exec **p = &x->shim->execs;

	while (*p && *p != x)
		p = &(*p)->next;
	if (*p)
		*p = x->next;
	source_close(&x->sock, x->shim->epoll);
	io_close(&x->io);
	free(x->kept.p);
	free(x);
}

static void say_exited(struct io *io)
{
	struct exec *x = io->owner;
	struct shim_exec_exited m = {.exec = x->number,
		.exit_code = x->code,
		.timed_out = x->timed_out,
		.output = {x->kept.n ? x->kept.p : NULL, x->kept.n},
		.cut = x->kept.cut};

	channel_send(&x->shim->channel, MSG_shim_exec_exited, 0, &m);
	exec_free(x);
}

/* execve has closed the socket, or the process has failed. */
static void on_closed(struct exec *x)
{
	struct shim_execed m = {.pid = (uint32_t)x->pid};
	struct shim *s = x->shim;

	source_close(&x->sock, s->epoll);
	if (x->failure.code == 0 && x->pid == 0)
		err_set(&x->failure, ECHILD, "the process ended before it could execute");
	if (x->failure.code) {
		channel_failed(&s->channel, x->request, &x->failure);
		exec_free(x);
		return;
	}
	x->replied = true;
	if (x->timeout_ms)
		x->kill_at_ns = clock_mono_ns() + x->timeout_ms * 1000000ULL;
	channel_send(&s->channel, MSG_shim_execed, x->request, &m);
	if (x->exited)
		io_finish(&x->io);
}

/* false when there was nothing to hear, or x is gone. */
static bool listen_to(struct exec *x)
{
	int fds[REPLY_FDS_MAX], r;
	struct reply reply;
	uint32_t n;
	pid_t pid;

	r = reply_recv(x->sock.fd, &reply, fds, &n, &pid);
	if (r == -EAGAIN)
		return false;
	if (r < 0) {
		on_closed(x);
		return false;
	}
	if (reply.word == REPLY_RUNNING) {
		x->pid = pid;
		io_open(&x->io, fds, n, x->tty, x->has_in, &x->failure);
	} else if (reply.word == REPLY_FAILED) {
		x->failure = reply.err;
	}
	return true;
}

static void on_sock(struct source *src, uint32_t events)
{
	(void)events;
	listen_to(src->owner);
}

static struct exec *find_pid(struct shim *s, pid_t pid)
{
	struct exec *x = s->execs;

	while (x && x->pid != pid)
		x = x->next;
	return x;
}

/* What a process said before its end is read first: only that tells whose child it was. A check
 * leaves nothing of its process group behind. */
void exec_ending(struct shim *s, pid_t pid)
{
	struct exec *next, *x;

	for (x = s->execs; x; x = next) {
		next = x->next;
		while (x->sock.fd >= 0 && listen_to(x))
			;
	}
	x = find_pid(s, pid);
	if (x && x->kept.p)
		kill(-pid, SIGKILL);
}

void exec_reaped(struct shim *s, const siginfo_t *info)
{
	struct exec *x = find_pid(s, info->si_pid);

	if (info->si_pid == s->keeper.pid && s->state == SHIM_STANDBY)
		s->stopping = true; /* another one is better off */
	else if (info->si_pid == s->keeper.pid)
		log_error("the keeper has died: nothing more can be executed in this container");
	if (!x)
		return; /* a joiner, or a process whose failure has been told */
	x->exited = true;
	x->kill_at_ns = 0;
	x->code =
		(uint32_t)(info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status) &
		0xff;
	if (x->replied)
		io_finish(&x->io);
}

/* *ret_theirs is the end on which the process will say what becomes of it. */
static int open_sock(struct exec *x, int *ret_theirs, struct err *e)
{
	int pair[2], on = 1, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, errno, "making a socket pair");
	*ret_theirs = pair[1];
	setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	r = source_open(&x->sock, x->shim->epoll, pair[0], EPOLLIN, on_sock, x);
	return r < 0 ? err_errno(e, r, "watching a process") : 0;
}

/* A pipe that anyone may open again (as /dev/stdout is) can be handed over as it is. One with a
 * name can't: it would be a file of the host. */
static bool can_pass(int fd)
{
	struct stat st;

	return fd >= 0 && fd_is_pipe(fd) && fstat(fd, &st) == 0 && (st.st_mode & 0666) == 0666;
}

/* Streams that can't be handed over are pumped. */
static int choose_streams(struct exec *x, const struct exec_spec *spec, struct frame *f,
	const struct shim_exec *m, struct keeper_exec *order, struct err *e)
{
	int *whole[3] = {&order->in, &order->out, &order->err};
	int given[3] = {spec->stdin_open || spec->tty ? m->in : -1, m->out, m->err}, pumped[3];

	for (int i = 0; i < 3; i++) {
		bool pass = !spec->tty && !m->keep && can_pass(given[i]);

		*whole[i] = pass ? given[i] : -1;
		order->pump |= (given[i] >= 0 && !pass) || (i > 0 && m->keep) ? 1U << i : 0;
		pumped[i] = pass ? -1 : frame_take_fd(f, given[i]);
	}
	x->tty = spec->tty;
	x->has_in = (order->pump & 1) && !spec->tty;
	return io_attach(&x->io, pumped[0], pumped[1], pumped[2], true, e);
}

static int keep_output(struct exec *x, uint32_t max, struct err *e)
{
	x->kept = (struct io_kept){.p = malloc(max), .max = max};
	if (!x->kept.p)
		return err_set(e, ENOMEM, "out of memory");
	x->io.kept = &x->kept;
	return 0;
}

static int start(struct exec *x, const struct shim_exec *m, struct frame *f, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_fd_ int sock = -1;
	struct exec_spec spec;
	MSG_DECLARE(keeper_exec, order);
	size_t n;
	int r = fd_memfd_read(m->spec, SPEC_MAX, &buf, &n);

	if (r < 0)
		return err_errno(e, r, "reading the spec");
	r = codec_decode(&schema_exec_spec, buf, n, NULL, 0, &a, &spec, e);
	if (r == 0)
		r = choose_streams(x, &spec, f, m, &order, e);
	if (r == 0)
		r = open_sock(x, &sock, e);
	if (r == 0 && m->keep)
		r = keep_output(x, m->keep, e);
	if (r < 0)
		return r;
	order.spec = m->spec;
	order.sock = sock;
	return keeper_say(&x->shim->keeper, MSG_keeper_exec, &order, e);
}

static int check_request(struct shim *s, const struct shim_exec *m, struct err *e)
{
	unsigned int n = 0;

	for (const struct exec *x = s->execs; x; x = x->next)
		n++;
	if (m->exec == 0 || exec_find(s, m->exec))
		return err_set(e, EEXIST, "exec %u: a number that is taken", m->exec);
	return n < EXECS_MAX ? 0 : err_set(e, EBUSY, "%d execs are running already", EXECS_MAX);
}

void on_shim_exec(struct shim *s, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_exec *m = msg;
	struct exec *x = NULL;
	struct err e = {0};

	if (check_request(s, m, &e) < 0)
		return channel_failed(&s->channel, id, &e);
	x = calloc(1, sizeof(*x));
	if (!x) {
		err_set(&e, ENOMEM, "out of memory");
		return channel_failed(&s->channel, id, &e);
	}
	*x = (struct exec){.next = s->execs,
		.shim = s,
		.number = m->exec,
		.request = id,
		.sock = {.fd = -1},
		.timeout_ms = m->timeout_ms};
	io_init(&x->io, s->epoll, s->chunk, x, say_exited);
	s->execs = x;
	if (start(x, m, f, &e) == 0)
		return;
	exec_free(x);
	channel_failed(&s->channel, id, &e);
}

int exec_resize(struct exec *x, uint32_t rows, uint32_t cols, struct err *e)
{
	return io_resize(&x->io, rows, cols, e);
}

static uint64_t sooner(uint64_t at, uint64_t other)
{
	return other && (at == 0 || other < at) ? other : at;
}

uint64_t exec_deadline(const struct shim *s)
{
	uint64_t at = 0;

	for (const struct exec *x = s->execs; x; x = x->next)
		at = sooner(sooner(at, x->io.give_up_ns), x->kill_at_ns);
	return at;
}

/* It leads a session and so a process group (process.c), and what it started goes along. */
static void end_overdue(struct exec *x, uint64_t now_ns)
{
	if (x->exited || x->kill_at_ns == 0 || now_ns < x->kill_at_ns)
		return;
	x->kill_at_ns = 0;
	x->timed_out = true;
	kill(-x->pid, SIGKILL);
}

void exec_expire(struct shim *s, uint64_t now_ns)
{
	struct exec *next;

	for (struct exec *x = s->execs; x; x = next) {
		next = x->next;
		end_overdue(x, now_ns);
		io_expire(&x->io, now_ns);
	}
}
