/* SPDX-License-Identifier: MIT */
/*
 * The keeper; see keeper.h. One function a message. It trusts the shim to be who it is, and no
 * frame to be well-formed.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clean.h"
#include "frame.h"
#include "joiner.h"
#include "measure.h"
#include "reply.h"
#include "title.h"

#define SPEC_MAX (4U << 20)

struct self {
	struct hold *hold;
	int userns;
};

/* ---- keeper_hold, keeper_forget ---- */

void hold_init(struct hold *h)
{
	*h = (struct hold){
		.filter = -1, .log = -1, .outputs = {-1, -1}, .rtnl = -1, .join = {.pts = -1}};
	for (int i = 0; i < NS_COUNT; i++)
		h->join.ns[i] = -1;
}

void hold_let_go(struct hold *h)
{
	ns_close(h->join.ns);
	for (uint32_t i = 0; i < h->join.n_procs; i++)
		fd_close(&h->join.procs[i]);
	h->join.n_procs = 0;
	fd_close(&h->join.pts);
	fd_close(&h->filter);
	fd_close(&h->rtnl);
	free(h->cwd);
	h->cwd = NULL;
	h->full = false;
}

static int keep(struct hold *h, const struct spec *spec, struct err *e)
{
	struct process p;
	int r = process_rlimits(spec->rlimits.v, spec->rlimits.n, &p, e);

	if (r < 0)
		return r;
	h->join.oom_score_adj = spec->oom_score_adj;
	h->umask = spec->umask;
	h->caps = spec->caps;
	h->new_privs = spec->new_privs;
	h->tty = spec->tty;
	h->n_rlimits = p.n_rlimits;
	memcpy(h->rlimits, p.rlimits, sizeof(p.rlimits[0]) * p.n_rlimits);
	h->cwd = strdup(spec->cwd);
	return h->cwd ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* A document; buf owns what *ret points to. */
static int read_document(int fd, const struct schema *s, uint8_t **ret_buf, struct arena *a,
	void *ret, struct err *e)
{
	size_t n;
	int r = fd_memfd_read(fd, SPEC_MAX, ret_buf, &n);

	if (r < 0)
		return err_errno(e, r, "reading the spec");
	return codec_decode(s, *ret_buf, n, NULL, 0, a, ret, e);
}

static int on_hold(struct self *me, void *msg, struct frame *f, struct err *e)
{
	struct hold *h = me->hold;
	const struct keeper_hold *m = msg;
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct spec spec;
	int r;

	if (h->full || m->ns.n != NS_COUNT)
		return err_set(e, EPROTO, "a container is held already, or one is incomplete");
	r = read_document(m->spec, &schema_spec, &buf, &a, &spec, e);
	if (r == 0)
		r = keep(h, &spec, e);
	if (r < 0)
		return r;
	for (int i = 0; i < NS_COUNT; i++)
		h->join.ns[i] = frame_take_fd(f, m->ns.v[i]);
	h->join.n_procs = m->procs.n;
	for (uint32_t i = 0; i < m->procs.n; i++)
		h->join.procs[i] = frame_take_fd(f, m->procs.v[i]);
	h->join.pts = frame_take_fd(f, m->pts);
	h->filter = frame_take_fd(f, m->filter);
	h->log = frame_take_fd(f, m->log);
	h->n_outputs = m->outputs.n;
	for (uint32_t i = 0; i < m->outputs.n; i++)
		h->outputs[i] = frame_take_fd(f, m->outputs.v[i]);
	h->rtnl = frame_take_fd(f, m->rtnl);
	h->full = true;
	return 0;
}

static int on_forget(struct self *me, void *msg, struct frame *f, struct err *e)
{
	struct hold *h = me->hold;

	(void)msg;
	(void)f;
	(void)e;
	hold_let_go(h);
	fd_close(&h->log);
	for (int i = 0; i < 2; i++)
		fd_close(&h->outputs[i]);
	return 0;
}

/* ---- keeper_exec ---- */

static void describe(const struct hold *h, const struct exec_spec *spec,
	const struct keeper_exec *m, struct process *p)
{
	const int given[3] = {m->in, m->out, m->err};
	int *streams[3] = {&p->in, &p->out, &p->err};

	*p = (struct process){.visit = spec->visit,
		.argv = spec->argv,
		.env = spec->env,
		.group_add = spec->group_add,
		.cwd = spec->cwd ? spec->cwd : h->cwd,
		.user = spec->user,
		.caps = spec->caps ? spec->caps : h->caps,
		.tty = spec->tty,
		.new_privs = h->new_privs && spec->new_privs,
		.stdin_open = m->pump & 1,
		.joined = true,
		.umask = h->umask,
		.n_rlimits = h->n_rlimits,
		.rows = (uint16_t)spec->rows,
		.cols = (uint16_t)spec->cols,
		.filter = h->filter};
	for (int i = 0; i < 3; i++)
		*streams[i] = given[i] >= 0 ? given[i] : m->pump & 1U << i ? -1 : -2;
	memcpy(p->rlimits, h->rlimits, sizeof(p->rlimits));
}

static int join_container(struct hold *h, const struct keeper_exec *m, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct exec_spec spec;
	struct process p;
	int r;

	if (!h->full)
		return err_set(e, ESRCH, "no container is held");
	r = read_document(m->spec, &schema_exec_spec, &buf, &a, &spec, e);
	if (r < 0)
		return r;
	describe(h, &spec, m, &p);
	h->join.sock = m->sock;
	return join_run(&h->join, &p, e);
}

/* Failures are the exec's, told where its other words are. */
static int on_exec(struct self *me, void *msg, struct frame *f, struct err *e)
{
	const struct keeper_exec *m = msg;
	struct reply failed = {.word = REPLY_FAILED};

	(void)f;
	(void)e;
	if (join_container(me->hold, m, &failed.err) < 0)
		reply_send(m->sock, &failed, NULL, 0);
	return 0;
}

/* ---- keeper_clean ---- */

/* The dead container's user namespace lives as long as our descriptor of it: its owner is
 * privileged inside. */
_noreturn_ static void clean_inside(int userns, const struct keeper_clean *m)
{
	struct reply r = {.word = REPLY_CLEANED};

	if (setns(userns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		err_errno(&r.err, errno, "joining the container's user namespace");
	else
		clean_slice(m->writable, CLEAN_SLICE_MS, &r.err);
	if (r.err.code)
		r.word = REPLY_FAILED;
	reply_send(m->sock, &r, NULL, 0);
	_exit(0);
}

static int on_clean(struct self *me, void *msg, struct frame *f, struct err *e)
{
	const struct keeper_clean *m = msg;
	struct reply failed = {.word = REPLY_FAILED};
	pid_t pid = join_fork_sibling();

	(void)f;
	(void)e;
	if (pid == 0)
		clean_inside(me->userns, m);
	if (pid < 0) {
		err_errno(&failed.err, errno, "forking");
		reply_send(m->sock, &failed, NULL, 0);
	}
	return 0;
}

/* ---- keeper_measure ---- */

_noreturn_ static void measure_inside(int userns, const struct keeper_measure *m)
{
	struct err e = {0};
	uint64_t bytes;

	if (setns(userns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(1);
	if (measure_directory(m->writable, &bytes, &e) < 0)
		log_warn("measuring: %s", e.text);
	else
		(void)!write(m->out, &bytes, sizeof(bytes));
	_exit(0);
}

/* Whoever waits at the pipe sees its end when nothing comes of it. */
static int on_measure(struct self *me, void *msg, struct frame *f, struct err *e)
{
	pid_t pid = join_fork_sibling();

	(void)f;
	if (pid == 0)
		measure_inside(me->userns, msg);
	return pid < 0 ? err_errno(e, errno, "forking") : 0;
}

/* ---- its life ---- */

static const struct {
	enum msg_type type;
	int (*fn)(struct self *me, void *msg, struct frame *f, struct err *e);
} rows[] = {
	{MSG_keeper_hold, on_hold},
	{MSG_keeper_exec, on_exec},
	{MSG_keeper_forget, on_forget},
	{MSG_keeper_clean, on_clean},
	{MSG_keeper_measure, on_measure},
};

static int dispatch(struct self *me, struct frame *f, struct err *e)
{
	union {
		struct keeper_hold hold;
		struct keeper_exec exec;
		struct keeper_forget forget;
		struct keeper_clean clean;
		struct keeper_measure measure;
	} msg;
	int r = frame_check(f, SHIM, KEEPER, e);

	for (unsigned int i = 0; r == 0 && i < ARRAY_LEN(rows); i++) {
		if (rows[i].type != f->type)
			continue;
		r = frame_decode(f, &msg, e);
		return r < 0 ? r : rows[i].fn(me, &msg, f, e);
	}
	return r < 0 ? r : err_set(e, EBADMSG, "%s: not for a keeper", msg_name(f->type));
}

/* Until the shim's end closes the socket. */
static int serve(struct self *me, int sock)
{
	for (;;) {
		_cleanup_frame_ struct frame f = {0};
		struct err e = {0};
		int r = frame_recv(sock, &f, &e);

		if (r == 0)
			r = dispatch(me, &f, &e);
		if (r < 0 && r != -ENODATA)
			log_error("keeper: %s", e.text);
		if (r < 0)
			return r;
	}
}

/* What a new keeper inherits of the one that it replaces stays open as well. */
static void close_rest(const struct hold *h, int sock, const struct ns_first *first, int listener)
{
	const int own[] = {sock, first->userns, first->pidfd, listener, h->join.pts, h->filter,
		h->log, h->outputs[0], h->outputs[1], h->rtnl};
	int keep[ARRAY_LEN(own) + NS_COUNT + JOIN_PROCS_MAX];
	size_t n = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(own); i++)
		if (own[i] >= 0)
			keep[n++] = own[i];
	for (int i = 0; i < NS_COUNT; i++)
		if (h->join.ns[i] >= 0)
			keep[n++] = h->join.ns[i];
	for (uint32_t i = 0; i < h->join.n_procs; i++)
		keep[n++] = h->join.procs[i];
	fd_sort(keep, n);
	fd_close_all_but(3, keep, n);
}

static int keeper_main(int sock, struct hold *h, const struct ns_first *first, int listener)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), r;
	struct self me = {h, first->userns};

	title_set("shim: keeper");
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close_rest(h, sock, first, listener);
	r = serve(&me, sock);
	if (r != -ENODATA || !h->full || listener < 0)
		_exit(r != -ENODATA);
	close(sock);
	title_restore();
	log_warn("the shim has died; its keeper goes on in its place");
	return KEEPER_ORPHANED;
}

int keeper_start(
	struct keeper *k, struct hold *h, const struct ns_first *first, int listener, struct err *e)
{
	int pair[2];

	*k = (struct keeper){.sock = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, errno, "making a socket pair");
	k->pid = fork();
	if (k->pid == 0)
		return keeper_main(pair[1], h, first, listener);
	close(pair[1]);
	k->sock = pair[0];
	fd_set_nonblock(k->sock, true);
	return k->pid < 0 ? err_errno(e, errno, "forking the keeper") : 0;
}

int keeper_say(const struct keeper *k, enum msg_type type, const void *msg, struct err *e)
{
	int r = frame_send(k->sock, type, 0, msg, e);

	if (r == -EPIPE || r == -ECONNRESET)
		return err_set(e, EPIPE, "the container's keeper has died");
	return r == -EAGAIN ? err_set(e, EAGAIN, "the container's keeper is stuck") : r;
}
