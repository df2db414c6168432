/* SPDX-License-Identifier: MIT */
/*
 * A process beside ctl; see side.h. Signals of the terminal reach both.
 */
#include "side.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Both ends of both pipes. */
struct ends {
	int report[2], verdict[2];
};

static void ends_close(struct ends *x)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&x->report[i]);
		fd_close(&x->verdict[i]);
	}
}
#define _cleanup_ends_ _cleanup_(ends_close)

_noreturn_ static void be_the_side(const struct side_call *call, struct ends *x)
{
	struct err e = {0};

	fd_close(&x->report[0]);
	fd_close(&x->verdict[1]);
	close(call->far);
	if (call->fn(call->arg, x->verdict[0], &e) == 0)
		e.code = 0;
	else if (!e.code)
		err_set(&e, ECANCELED, "given up");
	fd_write_all(x->report[1], &e, sizeof(e));
	_exit(0);
}

int side_start(struct side *s, const struct side_call *call, struct err *e)
{
	_cleanup_ends_ struct ends x = {{-1, -1}, {-1, -1}};
	pid_t pid;

	*s = SIDE_NONE;
	/* A broken pipe is an error with a sentence, on either side. */
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(x.report, O_CLOEXEC) < 0 || pipe2(x.verdict, O_CLOEXEC) < 0)
		return err_errno(e, errno, "pipe");
	pid = fork();
	if (pid < 0)
		return err_errno(e, errno, "fork");
	if (pid == 0)
		be_the_side(call, &x);
	fd_close(call->near);
	*s = (struct side){pid, take_fd(&x.report[0]), take_fd(&x.verdict[1])};
	return 0;
}

void side_shield(bool on)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

	for (unsigned int i = 0; i < ARRAY_LEN(signals); i++)
		signal(signals[i], on ? SIG_IGN : SIG_DFL);
}

/* The verdict, should it be there already, waits for side_verdict; only an end without one says
 * that ctl has gone. */
int side_wait(int fd, int verdict, struct err *e)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = verdict, .events = POLLIN}};

	for (;;) {
		if (poll(p, ARRAY_LEN(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(e, errno, "poll");
		}
		if (p[0].revents & POLLIN)
			return 0;
		if (p[0].revents)
			return err_set(e, ENODATA, "nothing came");
		if (!(p[1].revents & POLLIN))
			return -ECANCELED;
		p[1].fd = -1;
	}
}

int side_verdict(int verdict)
{
	char byte;

	return fd_read_full(verdict, &byte, 1) == 0 ? 0 : -ECANCELED;
}

int side_end(struct side *s, bool good, struct err *e)
{
	struct err said = {0};
	int r = 0;

	if (s->pid <= 0)
		return 0;
	if (good)
		fd_write_all(s->verdict, "", 1);
	fd_close(&s->verdict);
	if (fd_read_full(s->report, &said, sizeof(said)) < 0)
		r = err_set(e, ECHILD, "the local side of the copy died");
	else if (said.code)
		r = err_set(e, said.code, "%s", said.text);
	fd_close(&s->report);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	return r;
}

void side_drop(struct side *s)
{
	side_end(s, false, NULL);
}
