/* SPDX-License-Identifier: MIT */
/*
 * Freezes and thaws; see freeze.h. Runs in cgroupd; the kernel alone knows what is frozen, so
 * nothing is remembered.
 */
#include "freeze.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "usage.h"
#include "pending.h"

#define FREEZE_MS 2000

static const struct branch *find(const struct tree *t, struct err *e)
{
	const struct branch *b = tree_find(t, CTL_FREEZER);

	if (!b || b->base_fd < 0)
		err_set(e, EOPNOTSUPP, "this host has no freezer: mount its cgroup hierarchy");
	return b && b->base_fd >= 0 ? b : NULL;
}

int freeze_set(const struct tree *t, const char *id, bool frozen, struct err *e)
{
	static const char *const words[][2] = {{"THAWED", "FROZEN"}, {"0", "1"}};
	const struct branch *b = find(t, e);
	char path[GROUP_PATH_MAX];
	int r;

	if (!b)
		return -EOPNOTSUPP;
	group_path(path, id, b->version == 1 ? "freezer.state" : "cgroup.freeze");
	r = fd_write_file_at(b->base_fd, path, words[b->version - 1][frozen]);
	return r < 0 ? err_errno(e, r, "%s container %s", frozen ? "freezing" : "thawing", id) : 0;
}

/* v1 says FREEZING while some process does not stand still yet; a v2 group has that in
 * cgroup.events. */
int freeze_get(const struct tree *t, const char *id, bool *ret, struct err *e)
{
	const struct branch *b = find(t, e);
	_cleanup_free_ char *state = NULL;
	char path[GROUP_PATH_MAX];
	uint64_t n = 0;
	int r;

	if (!b)
		return -EOPNOTSUPP;
	if (b->version == 1)
		r = fd_read_file_at(
			b->base_fd, group_path(path, id, "freezer.state"), 64, &state, NULL);
	else
		r = usage_number(b->base_fd, group_path(path, id, "cgroup.events"), "frozen", &n);
	if (r < 0)
		return err_errno(e, r, "reading whether container %s is frozen", id);
	*ret = state ? strncmp(state, "FROZEN", 6) == 0 : n > 0;
	return 0;
}

/* The kernel may miss a process of v1's that was being forked: it is told again. */
static int attempt(struct pending *p, struct err *e)
{
	bool frozen;
	int r = freeze_set(&p->d->tree, p->container, p->frozen, e);

	if (r == 0)
		r = freeze_get(&p->d->tree, p->container, &frozen, e);
	if (r < 0)
		return r;
	return frozen == p->frozen ? 0 : -EBUSY;
}

static void give_up(struct pending *p, struct err *e)
{
	if (p->frozen) {
		freeze_set(&p->d->tree, p->container, false, NULL);
		err_set(e, EBUSY,
			"a process of it waits in the kernel and has not stood still within %d s",
			FREEZE_MS / 1000);
	} else {
		err_set(e, EBUSY, "it stands still after %d s: a cgroup above it is frozen",
			FREEZE_MS / 1000);
	}
}

static void answer(struct pending *p)
{
	chan_done(p->d->chan, p->request);
}

static const struct pending_kind freezing = {FREEZE_MS, attempt, give_up, answer};

void on_cgroup_freeze(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct cgroup_freeze *m = msg;

	(void)c;
	(void)f;
	pending_replace(self, &freezing, m->container);
	pending_begin(self, &freezing, id, m->container, m->frozen);
}
