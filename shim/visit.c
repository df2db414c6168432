/* SPDX-License-Identifier: MIT */
/*
 * Visits: the table, and the way in; see visit.h. Everything here runs in a process that process.c
 * has brought into the container, and that the container's own may signal but not trace.
 */
#include "visit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "mnt.h"
#include "title.h"

#define ROOT_FD 3

/* Whose files they are doesn't matter to who reads them all. */
#define CAP_BIT(name) (1ULL << CAP_##name)
#define READ_CAPS     CAP_BIT(DAC_READ_SEARCH)
/* Nor to who writes; what he gives away he still sets the mode, the times and the capabilities of.
 */
#define WRITE_CAPS                                                                                 \
	(CAP_BIT(DAC_OVERRIDE) | CAP_BIT(CHOWN) | CAP_BIT(FOWNER) | CAP_BIT(FSETID) |              \
		CAP_BIT(SETFCAP))

static const struct visit_row rows[] = {
	{"top", 0, 0, 0, false, visit_top},
	{"export", 0, READ_CAPS, VISIT_READ, true, visit_export},
	{"copy-out", 2, READ_CAPS, VISIT_READ, false, visit_copy_out},
	{"copy-in", 4, WRITE_CAPS, VISIT_WRITE, false, visit_copy_in},
};

static const struct visit_row *find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static int open_root_whole(int *ret)
{
	*ret = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

/* A clone of one mount has nothing mounted in it, open_tree(2). Mounts that lock.c has locked hide
 * what is below from everybody inside: -EINVAL. */
static int open_root(bool alone, int *ret, struct err *e)
{
	int r = alone ? mnt_clone(AT_FDCWD, "/", 0, false, ret) : open_root_whole(ret);

	if (r == -EINVAL)
		return err_set(e, ENOTSUP,
			"its mounts are locked, since it may come to SYS_ADMIN: the root can't be seen without them while it runs");
	return r < 0 ? err_errno(e, r, "opening the container's root") : 0;
}

int visit_begin(struct process *p, struct visit *ret, struct err *e)
{
	const struct visit_row *row = find(p->visit);

	if (!row || p->argv.n != row->args)
		return err_set(e, EINVAL, "\"%.32s\" is no visit, or not with %u arguments",
			p->visit, p->argv.n);
	/* The first process of a container was cloned dumpable; nobody may look into this one. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(e, errno, "becoming not dumpable");
	p->caps = row->caps;
	p->new_privs = false;
	p->tty = false;
	*ret = (struct visit){.row = row, .args = p->argv.v, .root = -1};
	return open_root(row->alone, &ret->root, e);
}

/* Of what came from outside only the streams stay. */
static int let_go(struct visit *v, struct err *e)
{
	if (v->root != ROOT_FD && dup3(v->root, ROOT_FD, O_CLOEXEC) < 0)
		return err_errno(e, errno, "keeping the container's root");
	v->root = ROOT_FD;
	if (close_range(ROOT_FD + 1, ~0U, 0) < 0 || chdir("/") < 0)
		return err_errno(e, errno, "closing descriptors");
	return 0;
}

/* It never outlives its shim, which alone can tell its end. */
static int settle(struct visit *v, struct err *e)
{
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	title_set("visit");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(e, errno, "tying the visit to its shim");
	return visit_filter(VISIT_COMMON | v->row->calls, e);
}

_noreturn_ void visit_run(struct visit *v)
{
	struct err e = {0};
	int r = let_go(v, &e);

	if (r == 0)
		r = settle(v, &e);
	if (r == 0)
		r = v->row->run(v, &e);
	if (r == 0)
		_exit(0);
	if (r == -EPIPE) /* nobody is left who would want the rest, or this sentence */
		_exit(128 + SIGPIPE);
	fd_write_all(STDERR_FILENO, e.text, strlen(e.text));
	_exit(1);
}
