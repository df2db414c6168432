/* SPDX-License-Identifier: MIT */
/*
 * What helpers have is compared with what there should be, when one comes up and from time to time:
 * an end that was told while a helper was down left something behind.
 */
#include <malloc.h>
#include <string.h>

#include "engine.h"
#include "update.h"

#define PAUSE_MS   30000
#define BETWEEN_NS 10000000000ULL /* from the stop of a restart to its start */
#define SOON_MS	   1000
#define ASK_MS	   10000

/* `cgroup`: an id, perhaps behind the slices that it lies in. */
static bool has_cgroup(struct engine *g, const char *cgroup)
{
	const struct ctr *c = ctr_by_cgroup(g, cgroup);

	return c && (c->status == CTR_RUNNING || c->visit || (c->job && c->status != CTR_REMOVING));
}

/* What lies in somebody's slice under a name that we don't give is somebody's, too. */
static bool is_ours(const char *cgroup)
{
	const char *slash = strrchr(cgroup, '/');

	return !slash || state_is_id(slash + 1);
}

static void ask(struct engine *g, const char *after);

static void on_listed(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_listed *m = msg;
	struct engine *g = arg;

	(void)f;
	if (e)
		return;
	for (uint32_t i = 0; i < m->containers.n; i++) {
		const struct cgroup_remove gone = {.container = m->containers.v[i]};

		if (has_cgroup(g, gone.container) || !is_ours(gone.container))
			continue;
		log_info("cgroup %s is nobody's: removing it", gone.container);
		helper_tell(g, H_CGROUPD, MSG_cgroup_remove, &gone);
	}
	if (m->more && m->containers.n > 0)
		ask(g, m->containers.v[m->containers.n - 1]);
}

static void ask(struct engine *g, const char *after)
{
	const struct cgroup_list m = {.after = after};

	if (helper_chan(g, H_CGROUPD))
		helper_request(g, H_CGROUPD, MSG_cgroup_list, &m, ASK_MS, on_listed, g);
}

/* ---- directories of containers that there are not: an end that the power cut off ---- */

/* Whose files they are says in which uids they can be removed: a container is made up of that
 * alone, to be removed as any other. */
static void remove_stray(struct engine *g, const char *id, uint32_t owner)
{
	const struct rootfs_remove empty = {.container = id};
	const struct cgroup_remove cgroup = {.container = id};
	const struct create nothing = {0};
	uint32_t slot = (owner - g->o->uid_base) / UID_RANGE;
	char name[NAME_LEN + 1];
	struct ctr *c;

	if (!owner) {
		helper_tell(g, H_IMAGED, MSG_rootfs_remove, &empty);
		return;
	}
	if (owner < g->o->uid_base || slot < SLOT_MIN || slot > SLOT_MAX || !slot_claim(g, slot))
		return;
	log_info("files of container %.12s are nobody's: removing them", id);
	helper_tell(g, H_CGROUPD, MSG_cgroup_remove, &cgroup);
	ctr_name_random(g, 0, name);
	c = ctr_new(g);
	memcpy(c->id, id, ID_LEN);
	memcpy(c->name, name, sizeof(name));
	c->slot = slot;
	c->rootfs_made = c->remove_after = true;
	if (doc_copy(&c->create, &schema_create, &nothing, NULL) < 0)
		abort();
	remove_begin(c);
}

static void ask_dirs(struct engine *g, const char *after);

static void on_dirs(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct rootfs_listed *m = msg;
	struct engine *g = arg;

	(void)f;
	if (e || g->ending)
		return;
	for (uint32_t i = 0; i < m->dirs.n; i++) {
		const struct rootfs_dir *d = &m->dirs.v[i];

		/* A record that can't be read may be mended: its files stay. */
		if (state_is_id(d->container) && !ctr_by_id(g, d->container) &&
			!state_has_dir(g, d->container))
			remove_stray(g, d->container, d->owner);
	}
	if (m->more && m->dirs.n > 0)
		ask_dirs(g, m->dirs.v[m->dirs.n - 1].container);
}

static void ask_dirs(struct engine *g, const char *after)
{
	const struct rootfs_list m = {.after = after};

	if (helper_chan(g, H_IMAGED))
		helper_request(g, H_IMAGED, MSG_rootfs_list, &m, ASK_MS, on_dirs, g);
}

/* What a thousand containers took, free(3) keeps when they have gone. */
static void on_time(void *arg)
{
	malloc_trim(0);
	reconcile(arg);
}

/* Its start is on its way, unless who asked for the restart has died. */
static bool is_between(const struct ctr *c)
{
	return c->restart.by_hand && time_now_ns() < c->finished_at + BETWEEN_NS;
}

/* --rm of a container of which nobody waits for the end any more. */
static void remove_again(struct engine *g)
{
	for (struct ctr *c = g->ctrs, *next; c; c = next) {
		next = c->next;
		if (c->status == CTR_EXITED && !c->job && !c->visit && ctr_create(c)->autoremove &&
			!is_between(c))
			remove_begin(c);
	}
}

void reconcile_soon(struct engine *g)
{
	if (g->reconcile_timer)
		timer_again(g->reconcile_timer, SOON_MS);
}

void reconcile(struct engine *g)
{
	if (!g->serving || g->ending)
		return;
	ask(g, NULL);
	ask_dirs(g, NULL);
	state_save_again(g);
	updates_go_on(g);
	remove_again(g);
	gc_collect(g);
	watch_free(g->reconcile_timer);
	g->reconcile_timer = loop_timer(g->loop, PAUSE_MS, on_time, g);
}
