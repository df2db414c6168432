/* SPDX-License-Identifier: MIT */
/*
 * From root of a user namespace to a container's process; see process.h. A failure ends it, so
 * nothing is undone.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "inroot.h"
#include "mnt.h"
#include "pty.h"
#include "reply.h"
#include "visit.h"

/* The process's own ends, and those that go to the shim: a terminal's master, or stdin if it is
 * open, stdout and stderr. */
struct streams {
	int own[3];
	int far[3];
	uint32_t n_far;
};

/* The container's user must be able to open /dev/stdout again, whoever made the pipe. */
static int own_pipe(struct streams *s, int i, const struct process_ids *ids, struct err *e)
{
	int pair[2], mine = i == 0 ? 0 : 1;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_errno(e, errno, "making a pipe");
	if (fchown(pair[mine], ids->uid, ids->gid) < 0)
		return err_errno(e, errno, "giving a pipe to user %u", ids->uid);
	s->own[i] = pair[mine];
	s->far[s->n_far++] = pair[1 - mine];
	return 0;
}

static int own_pipes(const struct process *p, const struct process_tools *t,
	const struct process_ids *ids, struct streams *s, struct err *e)
{
	const int given[3] = {p->in, p->out, p->err};
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		if (given[i] >= 0)
			s->own[i] = given[i];
		else if (i == 0 && !p->stdin_open)
			s->own[i] = t->null;
		else
			r = own_pipe(s, i, ids, e);
	}
	return r;
}

static int mount_console(const struct process_tools *t, const struct pty *pty, struct err *e)
{
	_cleanup_fd_ int mnt = -1, fd = -1;
	char name[12];
	int r;

	/* What is there already is not opened: it may be a mount of anything. */
	fd = openat(t->console_target, "console", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return err_errno(e, errno, "making /dev/console");
	snprintf(name, sizeof(name), "%u", pty->number);
	r = mnt_clone(t->pts, name, 0, false, &mnt);
	if (r == 0)
		r = mnt_put(mnt, t->console_target, "console");
	return r < 0 ? err_errno(e, r, "mounting /dev/console") : 0;
}

static int own_terminal(const struct process *p, const struct process_tools *t,
	const struct process_ids *ids, struct streams *s, struct err *e)
{
	struct pty pty;
	int r = pty_open(t->pts, &pty, e);

	if (r < 0)
		return r;
	pty_resize(pty.master, p->rows, p->cols);
	if (fchown(pty.slave, ids->uid, (gid_t)-1) < 0)
		return err_errno(e, errno, "giving the terminal to user %u", ids->uid);
	if (t->console && mount_console(t, &pty, e) < 0)
		return -e->code;
	for (int i = 0; i < 3; i++)
		s->own[i] = pty.slave;
	s->far[s->n_far++] = pty.master;
	return 0;
}

/* A session of its own, so that signals typed at one terminal stay there. */
static int take_streams(const struct process *p, const struct streams *s, struct err *e)
{
	setsid();
	for (int i = 0; i < 3; i++)
		if (dup2(s->own[i], i) < 0)
			return err_errno(e, errno, "setting stream %d", i);
	if (p->tty && ioctl(0, TIOCSCTTY, 0) < 0)
		return err_errno(e, errno, "taking the terminal");
	return 0;
}

static int set_limits(const struct process *p, struct err *e)
{
	for (unsigned int i = 0; i < p->n_rlimits; i++) {
		const struct process_rlimit *l = &p->rlimits[i];

		if (setrlimit((__rlimit_resource_t)l->resource, &l->value) == 0)
			continue;
		if (errno == EPERM)
			return err_set(e, EPERM,
				"ulimit: raising a hard limit is not possible in a user namespace");
		return err_errno(e, errno, "ulimit");
	}
	umask(p->umask);
	return 0;
}

/* Never by a magic link: descriptors that are still open here must not lead anywhere. A directory
 * outside of the root shows as "(unreachable)…"; getcwd(3). */
static int enter_cwd(const struct process *p, struct err *e)
{
	_cleanup_fd_ int fd = inroot_open(AT_FDCWD, p->cwd, O_PATH | O_DIRECTORY);
	char where[PATH_MAX];

	if (fd < 0 || fchdir(fd) < 0)
		return err_errno(
			e, fd < 0 ? fd : errno, "entering the working directory %.128s", p->cwd);
	if (!getcwd(where, sizeof(where)) || where[0] != '/')
		return err_set(e, EPERM, "the working directory %.128s is outside of the container",
			p->cwd);
	return 0;
}

/* execve closes the rest; whatever was forgotten elsewhere is marked here too. */
static int announce(const struct process_tools *t, const struct streams *s, struct err *e)
{
	struct reply running = {.word = REPLY_RUNNING};
	int fds[REPLY_FDS_MAX], r;

	if (t->n_extra > 0)
		memcpy(fds, t->extra, t->n_extra * sizeof(int));
	memcpy(fds + t->n_extra, s->far, s->n_far * sizeof(int));
	r = reply_send(t->sock, &running, fds, t->n_extra + s->n_far);
	if (r < 0)
		return err_errno(e, r, "telling the shim");
	return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0
		       ? err_errno(e, errno, "closing descriptors")
		       : 0;
}

/* Our own code instead of a program: nothing of the container says how it is to run. */
static int run_visit(struct process *p, struct process_tools *t, struct err *e)
{
	static const struct process_ids root = {0};
	struct streams s = {{-1, -1, -1}, {-1, -1, -1}, 0};
	struct visit v;
	int r = visit_begin(p, &v, e);

	if (r == 0)
		r = own_pipes(p, t, &root, &s, e);
	if (r == 0)
		r = ids_become(p, &root, e);
	/* Privilege ends here. */
	if (r == 0)
		r = announce(t, &s, e);
	if (r == 0)
		r = take_streams(p, &s, e);
	if (r == 0)
		visit_run(&v);
	return r;
}

int process_run(struct process *p, struct process_tools *t, struct err *e)
{
	struct process_ids ids;
	struct sock_fprog filter, early = {0};
	struct streams s = {{-1, -1, -1}, {-1, -1, -1}, 0};
	int r;

	if (p->visit)
		return run_visit(p, t, e);
	r = filter_read(p->filter, &filter, e);
	/* Without no_new_privs a filter takes a capability, and what follows goes through it. */
	if (p->new_privs) {
		early = filter;
		filter.len = 0;
	}
	if (r == 0)
		r = ids_resolve(p, &ids, e);

	if (r == 0)
		r = p->tty ? own_terminal(p, t, &ids, &s, e) : own_pipes(p, t, &ids, &s, e);
	if (r == 0)
		r = set_limits(p, e);
	if (r == 0)
		r = enter_cwd(p, e);
	if (r == 0)
		r = filter_install(&early, e);
	if (r == 0)
		r = ids_become(p, &ids, e);
	/* Privilege ends here. */
	if (r == 0)
		r = announce(t, &s, e);
	if (r == 0 && p->init)
		r = init_fork(&filter, e);
	if (r == 0)
		r = take_streams(p, &s, e);
	/* An exec does not outlive its shim, which alone can tell its end. Late, since a change of
	 * user clears it; execve keeps it, PR_SET_PDEATHSIG(2const). */
	if (r == 0 && p->joined && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = err_errno(e, errno, "tying the process to its shim");
	return r < 0 ? r : execute(&p->argv, &p->env, ids.home, &filter, e);
}

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {{"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE}, {"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO}, {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK}};

static int find_rlimit(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rlimit_names); i++)
		if (strcmp(rlimit_names[i].name, name) == 0)
			return rlimit_names[i].resource;
	return -1;
}

int process_rlimits(const struct ulimit *v, uint32_t n, struct process *ret, struct err *e)
{
	ret->n_rlimits = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct process_rlimit *l = &ret->rlimits[ret->n_rlimits];

		l->resource = find_rlimit(v[i].name);
		l->value = (struct rlimit){v[i].soft, v[i].hard};
		if (l->resource < 0 || v[i].soft > v[i].hard)
			return err_set(e, EINVAL, "bad ulimit %s", v[i].name);
		if (ret->n_rlimits++ == PROCESS_RLIMITS_MAX - 1 && i + 1 < n)
			return err_set(e, E2BIG, "more than %d ulimits", PROCESS_RLIMITS_MAX);
	}
	return 0;
}
