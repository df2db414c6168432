/* SPDX-License-Identifier: MIT */
/*
 * Shims that outlive who started them: those of an engine that has died, found by their sockets,
 * and keepers that take a dead shim's place. Who connects is root, who answers proves by its uid
 * whose container it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "launcher_impl.h"
#include "successor.h"

#define TRY_MS 20
#define TRIES  50

struct heir {
	struct heir *next;
	struct launcher *launcher;
	uint32_t slot, flags;
	unsigned int tries;
	struct watch *timer;
};

static void heir_free(struct heir *h)
{
	struct heir **p = &h->launcher->heirs;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	watch_free(h->timer);
	free(h);
}

bool heirs_pending(const struct launcher *l, uint32_t slot)
{
	for (const struct heir *h = l->heirs; h; h = h->next)
		if (h->slot == slot)
			return true;
	return false;
}

static void on_stranger_gone(void *arg, int what)
{
	struct child *c = arg;

	(void)what;
	child_gone(c->launcher, c, 0, true);
}

static bool is_ours(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static struct child *adopt(
	struct launcher *l, uint32_t slot, uint32_t flags, pid_t pid, int channel)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct child){.next = l->children,
		.launcher = l,
		.role = SHIM,
		.slot = slot,
		.flags = flags,
		.pid = pid,
		.spare = channel,
		.pidfd = is_ours(pid) ? -1 : pidfd_open(pid, 0)};
	l->children = c;
	if (c->pidfd >= 0)
		c->end = loop_fd(l->loop, c->pidfd, LOOP_READ, on_stranger_gone, c);
	return c;
}

/* Who has taken the place, by now; else -EAGAIN when somebody may yet, or another errno. */
static int look(struct launcher *l, uint32_t slot, uint32_t flags, struct child **ret)
{
	pid_t pid;
	int fd = successor_connect(l->d->shims, slot, flags, l->o->uid_base + slot, &pid);

	*ret = fd >= 0 ? adopt(l, slot, flags, pid, fd) : NULL;
	if (!*ret && fd != -EAGAIN)
		successor_unbind(l->d->shims, slot, flags);
	return *ret ? 0 : fd < 0 ? fd : -ENOMEM;
}

static void tell_adopted(const struct child *c)
{
	const struct launch_frame f = {LAUNCH_ADOPT, SHIM, c->slot, c->flags, 0, c->pid, 0, 0, 0};

	launcher_tell(c->launcher, &f, c->spare);
}

static void on_try(void *arg)
{
	struct heir *h = arg;
	struct launcher *l = h->launcher;
	const struct launch_frame none = {.op = LAUNCH_HEIRLESS, .role = SHIM, .slot = h->slot};
	struct child *c;
	int r = look(l, h->slot, h->flags, &c);

	watch_free(h->timer);
	h->timer = NULL;
	if (r == -EAGAIN && ++h->tries < TRIES) {
		h->timer = loop_timer(l->loop, TRY_MS, on_try, h);
		return;
	}
	heir_free(h);
	if (r == 0) {
		tell_adopted(c);
		return;
	}
	launcher_tell(l, &none, -1);
	shims_kill(l, none.slot);
}

static bool wait_for_heir(struct launcher *l, uint32_t slot, uint32_t flags)
{
	struct heir *h = calloc(1, sizeof(*h));

	if (!h)
		return false;
	*h = (struct heir){.next = l->heirs, .launcher = l, .slot = slot, .flags = flags};
	l->heirs = h;
	h->timer = loop_timer(l->loop, TRY_MS, on_try, h);
	return true;
}

/* One that has ended by itself is missed by nobody. One that stepped out of line (SIGSYS) may be
 * somebody else's by now: its container ends with it. What nobody can reach must not run, whether
 * there is a supervisor that cares or not. */
void heirs_look(struct launcher *l, const struct launch_frame *gone, bool stranger)
{
	struct launch_frame f = *gone;
	bool well = !stranger && WIFEXITED(f.status) && WEXITSTATUS(f.status) == 0;
	struct child *c = NULL;
	int r = -ESRCH;

	l->orphans |= !well;
	if (stranger || (WIFSIGNALED(f.status) && WTERMSIG(f.status) != SIGSYS))
		r = look(l, f.slot, f.flags, &c);
	f.seq = r == 0 || (r == -EAGAIN && wait_for_heir(l, f.slot, f.flags));
	launcher_tell(l, &f, -1);
	if (c)
		tell_adopted(c);
	else if (well)
		successor_unbind(l->d->shims, f.slot, f.flags);
	else if (!f.seq)
		shims_kill(l, f.slot);
}

/* ---- at the start, and at the end ---- */

/* Nobody is served yet: it may wait for a keeper that is just taking a place. */
static void take_one(void *arg, uint32_t slot, uint32_t flags)
{
	const struct timespec pause = {.tv_nsec = TRY_MS * 1000000L};
	struct child *c;
	int r = -EAGAIN;

	for (unsigned int i = 0; i < TRIES && r == -EAGAIN; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = look(arg, slot, flags, &c);
	}
	if (r < 0)
		successor_unbind(((struct launcher *)arg)->d->shims, slot, flags);
}

/* The first 65536 uids are the shims' own, each slot's range follows. */
static bool has_shim(void *arg, uid_t uid)
{
	struct launcher *l = arg;
	uint32_t n = uid - l->o->uid_base;

	return child_find(l, SHIM, n < UID_RANGE ? n : n / UID_RANGE, 0);
}

void shims_take_over(struct launcher *l)
{
	unsigned int n;

	successor_each(l->d->shims, take_one, l);
	n = successor_signal(l->o->uid_base, UID_BLOCK, SIGKILL, has_shim, l);
	if (n > 0)
		log_warn(
			"killed %u processes of containers that nobody can tell about any more", n);
}

void shims_kill(struct launcher *l, uint32_t slot)
{
	const uid_t base = l->o->uid_base;

	if (slot == 0) {
		successor_signal(base, UID_BLOCK, SIGKILL, NULL, NULL);
		return;
	}
	successor_signal(base + slot, 1, SIGKILL, NULL, NULL);
	successor_signal(base + slot * UID_RANGE, UID_RANGE, SIGKILL, NULL, NULL);
	for (uint32_t flags = 0; flags <= LAUNCH_FLAGS; flags++)
		successor_unbind(l->d->shims, slot, flags);
	for (struct heir *h = l->heirs, *next; h; h = next) {
		next = h->next;
		if (h->slot == slot)
			heir_free(h);
	}
}
