/* SPDX-License-Identifier: MIT */
/*
 * Joining a container; see joiner.h. Runs in the keeper's children, trusts the keeper, and of the
 * container nothing.
 */
#include "joiner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "cgroup.h"
#include "reply.h"

#define STACK_SIZE    (256U << 10)
#define OOM_SCORE_MAX 1000 /* of a look from outside: it goes before what it looks at does */

/* Everything else goes before a namespace is entered: what a container's process could reach must
 * not be there. */
static void close_others(const struct join *j, const struct process *p, int null)
{
	const int own[] = {j->sock, null, j->pts, p->filter, p->in, p->out, p->err};
	int keep[NS_COUNT + JOIN_PROCS_MAX + ARRAY_LEN(own)];
	size_t n = 0;

	memcpy(keep, j->ns, sizeof(j->ns));
	n = NS_COUNT;
	for (uint32_t i = 0; i < j->n_procs; i++)
		keep[n++] = j->procs[i];
	for (unsigned int i = 0; i < ARRAY_LEN(own); i++)
		if (own[i] > 2)
			keep[n++] = own[i];
	fd_sort(keep, n);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	fd_close_all_but(3, keep, n);
}

pid_t join_fork_sibling(void)
{
	struct clone_args a = {.flags = CLONE_PARENT};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* With memory of its own, so it can join what the joiner couldn't: the time namespace refuses
 * shared memory, and an out-of-memory kill in the container's cgroup would take all that share it
 * along. */
static int become(const struct join *j, struct process *p, struct process_tools *t, struct err *e)
{
	int r = ns_join_time(j->ns, e);

	if (r == 0)
		r = cgroup_join(j->procs, j->n_procs, e);
	if (r == 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		r = err_errno(e, errno, "becoming root of the user namespace");
	return r < 0 ? r : process_run(p, t, e);
}

static int enter(const struct join *j, struct process *p, struct process_tools *t, struct err *e)
{
	pid_t pid;
	int r = oom_set_score(p->visit ? OOM_SCORE_MAX : j->oom_score_adj, e);

	if (r == 0)
		r = ns_join(j->ns, e);
	if (r < 0)
		return r;
	pid = join_fork_sibling();
	if (pid > 0)
		_exit(0);
	if (pid < 0 && errno == ENOMEM) /* also when its first process is gone, clone(2) */
		return err_set(e, ENOMEM,
			"making a process in the container: it has ended, or there is no memory");
	if (pid < 0)
		return err_errno(e, errno, "making a process in the container");
	return become(j, p, t, e);
}

static void replace_absent(struct process *p, int null)
{
	int *streams[3] = {&p->in, &p->out, &p->err};

	for (int i = 0; i < 3 && !p->tty; i++)
		if (*streams[i] == -2)
			*streams[i] = null;
}

struct joiner {
	const struct join *join;
	struct process *process;
};

/* Runs in the keeper's memory while the keeper waits, as after vfork: copying page tables is most
 * of what an exec would cost. Nothing here can wait for the container. */
static int joiner(void *arg)
{
	const struct joiner *me = arg;
	const struct join *j = me->join;
	struct process_tools t = {.sock = j->sock, .pts = j->pts};
	struct reply r = {.word = REPLY_FAILED};

	t.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (t.null < 0) {
		err_errno(&r.err, errno, "/dev/null");
	} else {
		replace_absent(me->process, t.null);
		close_others(j, me->process, t.null);
		enter(j, me->process, &t, &r.err);
	}
	reply_send(j->sock, &r, NULL, 0);
	_exit(1);
}

/* The stack is the joiner's, and by copy that of the process until execve. */
int join_run(const struct join *j, struct process *p, struct err *e)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	struct joiner me = {j, p};
	int r = 0;

	if (stack == MAP_FAILED)
		return err_errno(e, errno, "a stack");
	if (clone(joiner, (char *)stack + STACK_SIZE,
		    CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, &me) < 0)
		r = err_errno(e, errno, "forking");
	munmap(stack, STACK_SIZE);
	return r;
}
