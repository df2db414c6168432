/* SPDX-License-Identifier: MIT */
/*
 * exec: one more process in the container. The shim clones a joiner, which enters cgroup and
 * namespaces and clones the process proper as the shim's own child; neither can be dumped or
 * traced, and both hold nothing of the host but the socket on which they report.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cgroup.h"
#include "clock.h"
#include "shim.h"

#define SPEC_MAX   (4U << 20)
#define EXECS_MAX  256
#define STACK_SIZE (256U << 10)

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
	free(x);
}

/* ---- in the joiner and the process ---- */

static int compare_ints(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Everything else goes before a namespace is entered: what a container's process could reach must
 * not be there. */
static void close_others(
	const struct shim *s, const struct process *p, const struct process_tools *t)
{
	int keep[NS_COUNT + SHIM_PROCS_MAX + 8];
	size_t n = 0;
	const int own[] = {t->sock, t->null, t->pts, p->filter, p->in, p->out, p->err};

	memcpy(keep, s->ns, sizeof(s->ns));
	n = NS_COUNT;
	for (uint32_t i = 0; i < s->n_procs; i++)
		keep[n++] = s->procs[i];
	for (unsigned int i = 0; i < ARRAY_LEN(own); i++)
		if (own[i] > 2)
			keep[n++] = own[i];
	qsort(keep, n, sizeof(keep[0]), compare_ints);
	for (int i = 0; i < 3; i++)
		dup2(t->null, i);
	fd_close_all_but(3, keep, n);
}

/* The process must be the shim's child, since the joiner won't be there to reap it. */
static pid_t clone_sibling(void)
{
	struct clone_args a = {.flags = CLONE_PARENT};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* With memory of its own, so it can join what the joiner couldn't: the time namespace refuses
 * shared memory, and an out-of-memory kill in the container's cgroup would take all that share it
 * along. */
static int become(const struct shim *s, struct process *p, struct process_tools *t, struct err *e)
{
	int r = ns_join_time(s->ns, e);

	if (r == 0)
		r = cgroup_join(s->procs, s->n_procs, e);
	if (r == 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		r = err_errno(e, errno, "becoming root of the user namespace");
	return r < 0 ? r : process_run(p, t, e);
}

static int join(const struct shim *s, struct process *p, struct process_tools *t, struct err *e)
{
	pid_t pid;
	int r = oom_set_score(s->kept.oom_score_adj, e);

	if (r == 0)
		r = ns_join(s->ns, e);
	if (r < 0)
		return r;
	pid = clone_sibling();
	if (pid > 0)
		_exit(0);
	if (pid < 0)
		return err_errno(e, errno, "making a process in the container");
	return become(s, p, t, e);
}

struct joiner {
	const struct shim *shim;
	struct process *process;
	struct process_tools tools;
};

/* Runs in the shim's memory while the shim waits, as after vfork: copying page tables is most of
 * what an exec would cost. Nothing here can wait for the container. */
static int joiner(void *arg)
{
	struct joiner *j = arg;
	struct process *p = j->process;
	struct process_tools *t = &j->tools;
	struct reply r = {.word = REPLY_FAILED};

	t->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (t->null < 0) {
		err_errno(&r.err, errno, "/dev/null");
	} else {
		if (!p->tty) {
			p->in = p->in < 0 && !p->stdin_open ? t->null : p->in;
			p->out = p->out == -2 ? t->null : p->out;
			p->err = p->err == -2 ? t->null : p->err;
		}
		close_others(j->shim, p, t);
		join(j->shim, p, t, &r.err);
	}
	reply_send(t->sock, &r, NULL, 0);
	_exit(1);
}

/* ---- in the shim ---- */

static void say_exited(struct io *io)
{
	struct exec *x = io->owner;
	struct shim_exec_exited m = {.exec = x->number, .exit_code = x->code};
	struct shim *s = x->shim;

	exec_free(x);
	channel_send(&s->channel, MSG_shim_exec_exited, 0, &m);
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

/* What a process said before its end is read first: only that tells whose child it was. */
void exec_reaped(struct shim *s, const siginfo_t *info)
{
	struct exec *next, *x;

	for (x = s->execs; x; x = next) {
		next = x->next;
		while (x->sock.fd >= 0 && listen_to(x))
			;
	}
	for (x = s->execs; x && x->pid != info->si_pid;)
		x = x->next;
	if (!x)
		return; /* a joiner, or a process whose failure has been told */
	x->exited = true;
	x->code =
		(uint32_t)(info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status) &
		0xff;
	if (x->replied)
		io_finish(&x->io);
}

static int open_sock(struct exec *x, int pair[2], struct err *e)
{
	int on = 1, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, errno, "making a socket pair");
	setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	r = source_open(&x->sock, x->shim->epoll, pair[0], EPOLLIN, on_sock, x);
	if (r < 0)
		close(pair[1]);
	return r < 0 ? err_errno(e, r, "watching a process") : 0;
}

/* A pipe that anyone may open again (as /dev/stdout is) can be handed over as it is. One with a
 * name can't: it would be a file of the host. */
static bool can_pass(int fd)
{
	struct statfs fs;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	       (st.st_mode & 0666) == 0666 && fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
}

/* Streams that can't be handed over are pumped. -2 asks for /dev/null. */
static int choose_streams(
	struct exec *x, struct process *p, struct frame *f, struct shim_exec *m, struct err *e)
{
	int *own[3] = {&p->in, &p->out, &p->err};
	int given[3] = {p->stdin_open || p->tty ? m->in : -1, m->out, m->err}, pumped[3];

	for (int i = 0; i < 3; i++) {
		bool pass = !p->tty && can_pass(given[i]);

		*own[i] = pass ? given[i] : given[i] < 0 && i > 0 ? -2 : -1;
		pumped[i] = pass ? -1 : frame_take_fd(f, given[i]);
	}
	if (!p->tty)
		p->stdin_open = given[0] >= 0;
	x->tty = p->tty;
	x->has_in = p->stdin_open && p->in < 0 && !p->tty;
	return io_attach(&x->io, pumped[0], pumped[1], pumped[2], true, e);
}

static void describe(const struct shim *s, const struct exec_spec *spec, struct process *p)
{
	*p = (struct process){.argv = spec->argv,
		.env = spec->env,
		.group_add = spec->group_add,
		.cwd = spec->cwd ? spec->cwd : s->kept.cwd,
		.user = spec->user,
		.caps = spec->caps ? spec->caps : s->kept.caps,
		.tty = spec->tty,
		.new_privs = s->kept.new_privs && spec->new_privs,
		.stdin_open = spec->stdin_open,
		.umask = s->kept.umask,
		.n_rlimits = s->kept.n_rlimits,
		.rows = (uint16_t)spec->rows,
		.cols = (uint16_t)spec->cols,
		.filter = s->filter,
		.in = -1,
		.out = -1,
		.err = -1};
	memcpy(p->rlimits, s->kept.rlimits, sizeof(p->rlimits));
}

/* The stack is the joiner's, and by copy that of the process until execve. */
static pid_t clone_joiner(struct joiner *j)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return -1;
	pid = clone(joiner, (char *)stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, j);
	munmap(stack, STACK_SIZE);
	return pid;
}

static int launch(struct exec *x, struct process *p, struct err *e)
{
	struct joiner j = {.shim = x->shim, .process = p, .tools = {.pts = x->shim->pts}};
	int pair[2], r = open_sock(x, pair, e);

	if (r < 0)
		return r;
	j.tools.sock = pair[1];
	if (clone_joiner(&j) < 0)
		r = err_errno(e, errno, "forking");
	close(pair[1]);
	return r;
}

static int start(struct exec *x, struct shim_exec *m, struct frame *f, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct exec_spec spec;
	struct process p;
	size_t n;
	int r = fd_memfd_read(m->spec, SPEC_MAX, &buf, &n);

	if (r < 0)
		return err_errno(e, r, "reading the spec");
	r = codec_decode(&schema_exec_spec, buf, n, NULL, 0, &a, &spec, e);
	if (r < 0)
		return r;
	describe(x->shim, &spec, &p);
	r = choose_streams(x, &p, f, m, e);
	return r < 0 ? r : launch(x, &p, e);
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
	struct shim_exec *m = msg;
	struct exec *x = NULL;
	struct err e = {0};

	if (check_request(s, m, &e) < 0)
		return channel_failed(&s->channel, id, &e);
	x = calloc(1, sizeof(*x));
	if (!x) {
		err_set(&e, ENOMEM, "out of memory");
		return channel_failed(&s->channel, id, &e);
	}
	*x = (struct exec){
		.next = s->execs, .shim = s, .number = m->exec, .request = id, .sock = {.fd = -1}};
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

uint64_t exec_deadline(const struct shim *s)
{
	uint64_t at = 0;

	for (const struct exec *x = s->execs; x; x = x->next)
		if (x->io.give_up_ns && (at == 0 || x->io.give_up_ns < at))
			at = x->io.give_up_ns;
	return at;
}

void exec_expire(struct shim *s, uint64_t now_ns)
{
	struct exec *next;

	for (struct exec *x = s->execs; x; x = next) {
		next = x->next;
		io_expire(&x->io, now_ns);
	}
}
