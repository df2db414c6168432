/* SPDX-License-Identifier: MIT */
/*
 * Pumping between the caller's streams and a workload's; see streams.h. What flows here is the
 * container's: it is copied, never looked at, but for the detach keys in what the caller types.
 */
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define PUMP_MAX   65536
#define PIPE_SIZE  (1 << 20)
#define SILENCE_MS 500 /* for output that is late though the workload's end is known */

/* A larger pipe only saves turns, so failing to get one is fine. */
int streams_pipe(int *ret_read, int *ret_write, struct err *e)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(e, errno, "pipe");
	(void)fcntl(p[0], F_SETPIPE_SZ, PIPE_SIZE);
	/* So that a process of any uid inside can reopen it as /dev/stderr. */
	(void)fchmod(p[0], 0666);
	*ret_read = p[0];
	*ret_write = p[1];
	return 0;
}

int streams_open(struct streams *s, const struct streams_setup *setup, struct err *e)
{
	int r = 0;

	*s = STREAMS_NONE;
	s->setup = *setup;
	if (setup->tty)
		r = parse_detach_keys(
			setup->detach_keys ? setup->detach_keys : "", &s->detach.keys, e);
	if (r == 0 && setup->in) {
		r = streams_pipe(&s->far_in, &s->in.to, e);
		s->in.from = STDIN_FILENO;
	}
	if (r == 0 && setup->out) {
		r = streams_pipe(&s->out.from, &s->far_out, e);
		s->out.to = STDOUT_FILENO;
	}
	if (r == 0 && setup->err && !setup->tty) {
		r = streams_pipe(&s->err.from, &s->far_err, e);
		s->err.to = STDERR_FILENO;
	}
	/* Never for the input: it would hand the host's cached pages of a file to the other side.
	 */
	s->out.splice = s->err.splice = true;
	s->setup.proxy = setup->proxy && !setup->tty;
	return r < 0 ? r : s->in.to >= 0 ? fd_set_nonblock(s->in.to, true) : 0;
}

void streams_sent(struct streams *s)
{
	fd_close(&s->far_in);
	fd_close(&s->far_out);
	fd_close(&s->far_err);
}

void streams_free(struct streams *s)
{
	tty_restore(&s->tty);
	streams_sent(s);
	fd_close(&s->in.to);
	fd_close(&s->out.from);
	fd_close(&s->err.from);
	free(s->in.held);
	free(s->out.held);
	free(s->err.held);
	fd_close(&s->signals);
}

/* Proxied: whatever a program may be told. On a terminal the keys do that; there only what would
 * kill ctl is caught, so that the terminal is restored. */
static void wanted_signals(const struct streams_setup *setup, sigset_t *ret)
{
	static const int proxied[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
		SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR};
	static const int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
	const int *list = setup->tty ? deadly : proxied;
	size_t n = setup->tty ? ARRAY_LEN(deadly) : ARRAY_LEN(proxied);

	sigemptyset(ret);
	for (size_t i = 0; i < n; i++)
		sigaddset(ret, list[i]);
	for (int rt = SIGRTMIN; !setup->tty && rt <= SIGRTMAX; rt++)
		sigaddset(ret, rt);
}

int streams_begin(struct streams *s, struct err *e)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	if (s->setup.tty || s->setup.proxy) {
		wanted_signals(&s->setup, &set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		if (s->signals < 0)
			return err_errno(e, errno, "signalfd");
	}
	if (s->setup.tty && s->setup.in && isatty(STDIN_FILENO))
		return tty_raw(&s->tty, STDIN_FILENO, e);
	return 0;
}

/* Dies of the signal as if it had never been caught, the terminal restored. */
_noreturn_ static void die_of(struct streams *s, int signo)
{
	sigset_t one;

	tty_restore(&s->tty);
	sigemptyset(&one);
	sigaddset(&one, signo);
	signal(signo, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(signo);
	_exit(128 + signo);
}

static void pump_end(struct streams *s, struct pump *p)
{
	if (p == &s->in) {
		fd_close(&p->to);
		p->from = -1;
	} else {
		fd_close(&p->from);
		p->to = -1;
	}
	free(p->held);
	p->held = NULL;
	p->held_n = 0;
}

/* A reader of our output that has gone ends ctl, as it ends every filter; a workload that no longer
 * reads its input is common and no error. */
static void write_failed(struct streams *s, struct pump *p, int code)
{
	if (code == EPIPE && p != &s->in)
		die_of(s, SIGPIPE);
	if (p != &s->in)
		err_errno(&s->failure, code, "writing to %s", p == &s->out ? "stdout" : "stderr");
	pump_end(s, p);
}

/* Fills p->held; detach keys are taken out of what a terminal sends. */
static void pump_read(struct streams *s, struct pump *p)
{
	uint8_t raw[PUMP_MAX];
	ssize_t n;

	if (!p->held)
		p->held = malloc(PUMP_MAX + 32);
	if (!p->held)
		return pump_end(s, p);
	n = read(p->from, raw, sizeof(raw));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		return pump_end(s, p);
	p->held_at = 0;
	p->held_n = (size_t)n;
	if (p == &s->in && s->setup.tty)
		p->held_n = detach_filter(&s->detach, raw, (size_t)n, p->held, &s->detached);
	else
		memcpy(p->held, raw, (size_t)n);
}

static void pump_write(struct streams *s, struct pump *p)
{
	ssize_t n = write(p->to, p->held + p->held_at, p->held_n - p->held_at);

	if (n < 0 && errno == EAGAIN)
		p->to_full = true;
	else if (n < 0 && errno != EINTR)
		return write_failed(s, p, errno);
	else if (n > 0)
		p->held_at += (size_t)n;
	if (p->held_at == p->held_n)
		p->held_n = p->held_at = 0;
}

/* Moves pages instead of bytes where both ends allow it. True when it has dealt with this turn. */
static bool pump_splice(struct streams *s, struct pump *p)
{
	ssize_t n = splice(p->from, NULL, p->to, NULL, PIPE_SIZE, SPLICE_F_NONBLOCK);

	if (n > 0) {
		p->to_full = false;
		return true;
	}
	if (n == 0) {
		pump_end(s, p);
		return true;
	}
	if (errno == EAGAIN) { /* the end that poll did not name */
		p->to_full = !p->to_full;
		return true;
	}
	if (errno == EPIPE)
		write_failed(s, p, errno);
	p->splice = false; /* EINVAL: a terminal, a file opened to append */
	return p->from < 0 || p->to < 0;
}

static void pump_turn(struct streams *s, struct pump *p)
{
	if (p->held_n == 0 && p->splice && pump_splice(s, p))
		return;
	p->to_full = false;
	if (p->held_n == 0)
		pump_read(s, p);
	if (p->held_n > 0)
		pump_write(s, p);
}

static struct pollfd pump_poll(const struct pump *p)
{
	if (p->from < 0 || p->to < 0)
		return (struct pollfd){.fd = -1};
	if (p->to_full || p->held_n > 0)
		return (struct pollfd){.fd = p->to, .events = POLLOUT};
	return (struct pollfd){.fd = p->from, .events = POLLIN};
}

/* Answers to these are not awaited: the workload may just have ended. */
static void send_resize(struct client *c, const struct workload *w)
{
	struct container_resize m = {.ref = w->ref, .exec = w->exec};
	uint32_t id;

	tty_size(STDIN_FILENO, &m.rows, &m.cols);
	if (m.rows && m.cols)
		(void)client_send(c, MSG_container_resize, &m, &id, NULL);
}

static void take_signal(struct streams *s, struct client *c, const struct workload *w)
{
	struct signalfd_siginfo info;
	uint32_t id;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		send_resize(c, w);
	else if (!s->setup.proxy)
		die_of(s, (int)info.ssi_signo);
	else
		(void)client_send(c, MSG_container_kill,
			&(struct container_kill){.ref = w->ref, .signal = info.ssi_signo}, &id,
			NULL);
}

/* 1 when the answer to wait_id was read. */
static int take_answer(struct client *c, uint32_t wait_id, uint32_t *ret_code, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	int r = client_receive(c, &in, e);

	if (r < 0)
		return r;
	if (in.frame.id != wait_id || msg_row(in.frame.type)->kind == EVENT)
		return 0;
	if (in.frame.type == MSG_failed)
		return client_failure(&in.msg.failed, e);
	if (in.frame.type != MSG_container_waited)
		return err_set(e, EBADMSG, "the engine answered with %s", msg_name(in.frame.type));
	*ret_code = in.msg.waited.exit_code;
	return 1;
}

enum { AT_ENGINE, AT_SIGNALS, AT_IN, AT_OUT, AT_ERR, AT_COUNT };

static void fill_poll(
	const struct streams *s, const struct client *c, bool ended, struct pollfd ret[AT_COUNT])
{
	const struct pollfd none = {.fd = -1};

	ret[AT_ENGINE] = ended ? none : (struct pollfd){.fd = c->fd, .events = POLLIN};
	ret[AT_SIGNALS] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	ret[AT_IN] = ended ? none : pump_poll(&s->in);
	ret[AT_OUT] = pump_poll(&s->out);
	ret[AT_ERR] = pump_poll(&s->err);
}

/* Once the workload has ended its output is in the pipes; a reader of ours may take its time. */
static int patience(bool ended, const struct pollfd p[AT_COUNT])
{
	return ended && p[AT_OUT].events != POLLOUT && p[AT_ERR].events != POLLOUT ? SILENCE_MS
										   : -1;
}

static void turn(struct streams *s, const struct pollfd p[AT_COUNT], struct client *c,
	const struct workload *w)
{
	struct pump *const pumps[] = {&s->in, &s->out, &s->err};

	if (p[AT_SIGNALS].revents)
		take_signal(s, c, w);
	for (int i = AT_IN; i <= AT_ERR; i++)
		if (p[i].revents)
			pump_turn(s, pumps[i - AT_IN]);
}

int streams_run(struct streams *s, struct client *c, const struct workload *w, uint32_t wait_id,
	uint32_t *ret_code, struct err *e)
{
	struct pollfd p[AT_COUNT];
	int r = 0;

	for (bool ended = false; !s->detached; ended = ended || r == 1) {
		fill_poll(s, c, ended, p);
		if (ended && p[AT_OUT].fd < 0 && p[AT_ERR].fd < 0)
			return 0;
		r = poll(p, AT_COUNT, patience(ended, p));
		if (r == 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_errno(e, errno, "poll");
		if (r < 0)
			continue;
		turn(s, p, c, w);
		if (s->failure.code) {
			*e = s->failure;
			return -e->code;
		}
		r = p[AT_ENGINE].revents ? take_answer(c, wait_id, ret_code, e) : 0;
		if (r < 0)
			return r;
	}
	*ret_code = 0;
	return 0;
}
