/* SPDX-License-Identifier: MIT */
/*
 * From a container to the caller's files; see copy.h. Two processes: this one has the caller's
 * rights and reads nothing of the container's; the one below it reads it all and has next to none.
 * A third one may give files away. What is new grows in a directory of its own and appears when it
 * is whole.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "copy.h"
#include "side.h"

struct result {
	struct err err;
	struct tree_unpacked unpacked;
};

/* ---- in the process below ---- */

/* A directory of somebody else's, which root could write with its capabilities alone. */
static int check_writable(const struct copy_unpack *c, int dir, struct err *e)
{
	struct stat st;

	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0 || errno != EACCES)
		return 0;
	if (geteuid() == 0 && fstat(dir, &st) == 0 && st.st_uid != 0)
		return err_set(e, EACCES,
			"%.96s belongs to user %u, and what comes out of a container is written without root's capabilities: copy to a new name, or as that user",
			c->path, st.st_uid);
	return err_errno(e, EACCES, "%s", c->path);
}

static int confine(const struct copy_unpack *c, int dir, struct err *e)
{
	const struct priv_profile *p = &profile_unpack;
	const struct sandbox_place places[] = {{"dest", dir}, {NULL, -1}};
	int r;

	prctl(PR_SET_NAME, p->program);
	log_open("ctl", LOG_ERROR);
	umask(0);
	r = priv_enter(p, geteuid(), getegid(), e);
	if (r == 0)
		r = check_writable(c, dir, e);
	return r < 0 ? r : sandbox_enter(p, places, false, e);
}

_noreturn_ static void unpack(
	const struct copy_unpack *c, int dir, const char *top, int report, int giver)
{
	const struct tree_unpack_options o = {
		.keep_owner = c->archive, .lowly = true, .give = copy_give, .ctx = &giver};
	struct result res = {0};

	side_shield(false);
	signal(SIGXFSZ, SIG_IGN);
	if (confine(c, dir, &res.err) == 0)
		tree_unpack(c->from, dir, top, c->target, &o, &res.unpacked, &res.err);
	fd_write_all(report, &res, sizeof(res));
	_exit(0);
}

/* ---- in the side ---- */

static void wait_for(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int run_below(const struct copy_unpack *c, int verdict, int dir, const char *top,
	struct tree_unpacked *ret, struct err *e)
{
	_cleanup_fd_ int ours = -1, theirs = -1, giver = -1;
	pid_t pid, giving = 0;
	struct result res;
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(e, errno, "pipe");
	ours = p[0];
	theirs = p[1];
	r = c->archive ? copy_give_start(&giving, &giver, e) : 0;
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		unpack(c, dir, top, theirs, giver);
	/* When it ends, the container's side is to see a closed pipe, and so is the giver. */
	close(c->from);
	fd_close(&giver);
	fd_close(&theirs);
	r = pid < 0 ? err_errno(e, errno, "fork") : side_wait(ours, verdict, e);
	if (r < 0 && pid > 0)
		kill(pid, SIGKILL);
	if (r == 0)
		r = fd_read_full(ours, &res, sizeof(res));
	wait_for(pid);
	wait_for(giving);
	if (r == -ECANCELED)
		return r;
	if (r < 0)
		return pid < 0 ? r : err_set(e, ECHILD, "the process that unpacks died");
	*ret = res.unpacked;
	ret->top &= S_IFMT | 01777;
	return res.err.code ? err_set(e, res.err.code, "%s", res.err.text) : 0;
}

static int unpack_whole(
	const struct copy_unpack *c, int verdict, struct tree_unpacked *u, struct err *e)
{
	_cleanup_stage_ struct tree_stage stage = TREE_STAGE_NONE;
	int r = tree_stage_open(c->target->dir, &stage, e);

	if (r < 0)
		return err_prefix(e, "%.96s", c->path);
	r = run_below(c, verdict, stage.dir, TREE_STAGE_TOP, u, e);
	if (r == 0)
		r = side_verdict(verdict);
	return r < 0 ? r : tree_stage_commit(&stage, c->target, u, e);
}

int copy_unpack(void *arg, int verdict, struct err *e)
{
	const struct copy_unpack *c = arg;
	struct tree_unpacked u = {0};
	int r;

	side_shield(true);
	r = side_wait(c->from, verdict, e);

	if (r == 0 && *c->target->name)
		r = unpack_whole(c, verdict, &u, e);
	else if (r == 0)
		r = run_below(c, verdict, c->target->dir, "", &u, e);
	if (r == 0 && u.skipped)
		fprintf(stderr, "ctl: cp: warning: %lu devices left out\n", u.skipped);
	return r;
}
