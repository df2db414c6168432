/* SPDX-License-Identifier: MIT */
/*
 * Asking for a visit and hearing its end; see visit.h. What it says may be the container's words.
 */
#include "visit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "streams.h"

#define CHUNK	     65536
#define SENTENCE_MAX 1024

int visit_pipe(bool out, int *ret_near, int *ret_far, struct err *e)
{
	return out ? streams_pipe(ret_near, ret_far, e) : streams_pipe(ret_far, ret_near, e);
}

/* Something that is read to its end: more than max is dropped, and that remembered. */
struct reader {
	int fd; /* -1: at its end */
	size_t max;
	bool over;
	struct visit_text text;
};

static void reader_end(struct reader *r)
{
	fd_close(&r->fd);
	free(r->text.p);
}
#define _cleanup_reader_ _cleanup_(reader_end)

static int reader_turn(struct reader *r, struct err *e)
{
	char buf[CHUNK], *p;
	ssize_t n = read(r->fd, buf, sizeof(buf));
	size_t room = r->max - r->text.n;

	if (n < 0 && errno != EINTR)
		return err_errno(e, errno, "reading what the engine says");
	if (n == 0)
		fd_close(&r->fd);
	if (n <= 0)
		return 0;
	r->over = r->over || (size_t)n > room;
	room = MIN(room, (size_t)n);
	p = realloc(r->text.p, r->text.n + room + 1);
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(p + r->text.n, buf, room);
	r->text.p = p;
	r->text.n += room;
	p[r->text.n] = '\0';
	return 0;
}

/* ---- asking ---- */

static int ask(struct ctl *c, struct visit *v, int far_err, uint32_t *ret_wait, struct err *e)
{
	const struct exec_spec spec = {
		.visit = v->name, .argv = v->args, .stdin_open = v->far_in >= 0};
	_cleanup_fd_ int document = client_seal(&schema_exec_spec, &spec, e);
	_cleanup_incoming_ struct incoming in = {0};
	struct exec_wait wait = {.ref = v->ref};
	MSG_DECLARE(container_exec, m);
	int r;

	if (document < 0)
		return document;
	m.ref = v->ref;
	m.spec = document;
	m.in = v->far_in;
	m.out = v->far_out;
	m.err = far_err;
	r = client_call(&c->engine, MSG_container_exec, &m, CLIENT_DEADLINE, &in, e);
	wait.exec = in.msg.execed.exec;
	return r < 0 ? r : client_send(&c->engine, MSG_exec_wait, &wait, ret_wait, e);
}

/* 1 when the answer has come. */
static int hear(struct ctl *c, uint32_t wait_id, uint32_t *ret_code, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	int r = client_receive(&c->engine, &in, e);

	if (r < 0)
		return r;
	if (in.frame.id != wait_id || msg_row(in.frame.type)->kind != REPLY)
		return 0;
	if (in.frame.type == MSG_failed)
		return client_failure(&in.msg.failed, e);
	*ret_code = in.msg.waited.exit_code;
	return 1;
}

/* ---- its end ---- */

static int judge(uint32_t code, const struct reader *said, struct err *e)
{
	if (code == 0)
		return 0;
	if (code == 128 + SIGPIPE)
		return err_set(e, EPIPE, "broken pipe: who was to read it has closed it");
	if (said->text.n > 0)
		return err_set(e, EIO, "%s", said->text.p);
	if (code == 128 + SIGKILL)
		return err_set(e, EIO,
			"killed: the container has ended, or its memory limit is too small");
	return err_set(e, EIO, "ended with exit code %u before it was done", code);
}

static int attend(struct ctl *c, uint32_t wait_id, struct reader *said, struct reader *text,
	uint32_t *ret_code, struct err *e)
{
	struct pollfd p[] = {
		{.fd = c->engine.fd, .events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
	int r = 0;

	while (r == 0 && (p[0].fd >= 0 || said->fd >= 0 || text->fd >= 0)) {
		p[1].fd = said->fd;
		p[2].fd = text->fd;
		if (poll(p, ARRAY_LEN(p), -1) < 0) {
			r = errno == EINTR ? 0 : err_errno(e, errno, "poll");
			continue;
		}
		if (p[1].revents)
			r = reader_turn(said, e);
		if (r == 0 && p[2].revents)
			r = reader_turn(text, e);
		if (r == 0 && p[0].revents)
			r = hear(c, wait_id, ret_code, e);
		if (r == 1) {
			p[0].fd = -1;
			r = 0;
		}
	}
	return r;
}

int visit_run(struct ctl *c, struct visit *v, int collect, struct visit_text *ret, struct err *e)
{
	_cleanup_reader_ struct reader said = {.fd = -1, .max = SENTENCE_MAX};
	_cleanup_reader_ struct reader text = {.fd = collect, .max = VISIT_TEXT_MAX};
	_cleanup_fd_ int far_err = -1;
	uint32_t wait_id, code = 1;
	int r = visit_pipe(true, &said.fd, &far_err, e);

	if (r == 0)
		r = ask(c, v, far_err, &wait_id, e);
	/* The engine has them: the end of the visit is to be seen. */
	fd_close(&far_err);
	fd_close(&v->far_in);
	fd_close(&v->far_out);
	if (r == 0)
		r = attend(c, wait_id, &said, &text, &code, e);
	if (r == 0)
		r = judge(code, &said, e);
	if (r == 0 && said.text.n > 0)
		ctl_warn(c, said.text.p);
	if (r == 0 && text.over)
		r = err_set(e, E2BIG, "it says more than %zu bytes", text.max);
	if (r == 0 && ret)
		*ret = (struct visit_text){TAKE_PTR(text.text.p), text.text.n};
	return r;
}

/* What the other's failure looks like from here: a broken pipe, a cancelled wait, and to who reads,
 * nothing to read. */
static bool is_echo(int r)
{
	return r == -EPIPE || r == -ECANCELED;
}

int visit_from(struct ctl *c, struct visit *v, struct side *s, struct err *e)
{
	struct err mine = {0};
	int there = visit_run(c, v, -1, NULL, e), here = side_end(s, there == 0, &mine);

	if (here == 0 || (there < 0 && (!is_echo(there) || is_echo(here))))
		return there;
	return err_set(e, here, "%s", mine.text);
}

int visit_to(struct ctl *c, struct visit *v, struct side *s, struct err *e)
{
	struct err mine = {0};
	int there = visit_run(c, v, -1, NULL, e), here = side_end(s, there == 0, &mine);

	if (here == 0 || is_echo(here))
		return there;
	return err_set(e, here, "%s", mine.text);
}
