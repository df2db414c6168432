/* SPDX-License-Identifier: MIT */
/*
 * What must hold of all that the engine sends, whatever it was asked: nobody's rights grow, nobody
 * learns of another's containers, no two containers share a range of uids.
 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"

#define CAROL	   1002
#define BOB	   1001
#define SPEC_MAX   (4U << 20)
#define SHORT_ID   12
#define CONTAINERS 3
#define MEMORY	   (UINT64_C(1) << 30)

#define UNSET                                                                                      \
	{                                                                                          \
		POLICY_UNSET, POLICY_UNSET, POLICY_UNSET, POLICY_UNSET, POLICY_UNSET, POLICY_UNSET \
	}

/* Everybody may do little, bob has quotas of all kinds, carol has rights. */
const struct policy world_policy = {.n = 3,
	.rows = {
		{.uid = POLICY_EVERYBODY,
			.quota = {CONTAINERS, POLICY_UNSET, POLICY_UNSET, POLICY_UNSET, 2, 3},
			.preset = UNSET},
		{.uid = BOB,
			.rights = RIGHT_LOW_PORTS,
			.quota = {4, MEMORY, 2000000, 300, 4, POLICY_UNSET},
			.preset = {POLICY_UNSET, MEMORY / 4, 500000, 64, POLICY_UNSET,
				POLICY_UNSET}},
		{.uid = CAROL,
			.rights = RIGHT_HOST_NETWORK | RIGHT_PUBLISH | RIGHT_REMOVE_IMAGES,
			.quota = {POLICY_UNSET, MEMORY, POLICY_UNSET, POLICY_UNSET, POLICY_UNSET,
				POLICY_UNSET},
			.preset = UNSET},
	}};

bool judge_may(uid_t uid, enum right right)
{
	switch (right) {
	case RIGHT_LOW_PORTS:
		return uid == 0 || uid == BOB;
	case RIGHT_HOST_NETWORK:
	case RIGHT_PUBLISH:
	case RIGHT_REMOVE_IMAGES:
		return uid == 0 || uid == CAROL;
	}
	return false;
}

static const struct ctr *known(const struct world *w, const char *id)
{
	const struct ctr *c = w->g.ctrs;

	while (c && strcmp(c->id, id) != 0)
		c = c->next;
	world_check(c, "\"%.64s\" is no container", id);
	return c;
}

/* ---- the launcher ---- */

static void judge_spawn(const struct world *w, const struct launch_frame *f)
{
	if (f->role != SHIM)
		return;
	world_check(f->slot >= SLOT_MIN && f->slot <= SLOT_MAX, "no slot: %u", f->slot);
	world_check((f->flags & ~(uint32_t)LAUNCH_FLAGS) == 0, "flags %x", f->flags);
	for (const struct peer *p = w->peers; p; p = p->next)
		world_check(p->role != SHIM || p->slot != f->slot,
			"a second shim is wanted for slot %u", f->slot);
	for (uint32_t i = 0; i < w->n_spawns; i++)
		world_check(w->spawns[i].role != SHIM || w->spawns[i].slot != f->slot,
			"a shim is wanted twice for slot %u", f->slot);
}

void judge_launch(const struct world *w, const struct launch_frame *f)
{
	const struct ctr *c = w->g.ctrs;

	switch ((enum launch_op)f->op) {
	case LAUNCH_SPAWN:
		judge_spawn(w, f);
		return;
	case LAUNCH_KILL:
		world_check(f->slot >= SLOT_MIN && f->slot <= SLOT_MAX, "no slot: %u", f->slot);
		return;
	case LAUNCH_FORGET:
	case LAUNCH_SETTLED:
		return;
	case LAUNCH_IDMAP:
		while (c && c->slot != f->slot)
			c = c->next;
		world_check(c && c->owner == f->uid && c->owner_gid == f->gid && f->uid != 0,
			"slot %u is mapped for user %u and group %u", f->slot, f->uid, f->gid);
		return;
	case LAUNCH_STARTED:
	case LAUNCH_FAILED:
	case LAUNCH_GONE:
	case LAUNCH_ADOPT:
	case LAUNCH_ADOPTED:
	case LAUNCH_IDMAPPED:
	case LAUNCH_ORPHAN:
	case LAUNCH_HEIRLESS:
		break;
	}
	world_breach("the launcher is told %u", f->op);
}

/* ---- helpers and shims ---- */

static bool is_loopback(const char *ip)
{
	struct in6_addr v6;

	return strncmp(ip, "127.", 4) == 0 ||
	       (inet_pton(AF_INET6, ip, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

static void judge_attach(const struct world *w, const struct net_attach *m)
{
	const struct ctr *c = known(w, m->container);

	for (uint32_t i = 0; i < m->ports.n; i++) {
		const struct port *p = &m->ports.v[i];

		world_check(p->host_port == 0 || p->host_port >= 1024 ||
				    judge_may(c->owner, RIGHT_LOW_PORTS),
			"user %u publishes port %u", c->owner, p->host_port);
		world_check(!p->host_ip || is_loopback(p->host_ip) ||
				    judge_may(c->owner, RIGHT_PUBLISH),
			"user %u publishes on %s", c->owner, p->host_ip);
	}
}

static void judge_map(const struct world *w, const struct mount_map *m)
{
	const struct ctr *c = w->g.ctrs;

	while (c && !(c->status == CTR_STARTING && c->owner == m->owner))
		c = c->next;
	world_check(c, "a mount is mapped for user %u, who starts nothing", m->owner);
}

static void judge_removal(struct world *w, const struct image_remove *m)
{
	world_check(w->removals > 0, "an image is removed, and nobody may have asked for it");
	w->removals--;
	for (const struct ctr *c = w->g.ctrs; c; c = c->next) {
		bool listed = c->image_id[0] == '\0';

		for (uint32_t i = 0; i < m->in_use.n && !listed; i++)
			listed = strcmp(m->in_use.v[i], c->image_id) == 0;
		world_check(listed, "image %s is in use and not listed", c->image_id);
	}
}

static void judge_spec(
	const struct world *w, const struct peer *p, const struct spec *spec, bool filtered)
{
	const struct ctr *c = known(w, spec->id);
	const struct create *o = c->create.obj;
	bool open = o->privileged || (o->seccomp && strcmp(o->seccomp, "unconfined") == 0);

	world_check(c->slot == p->slot, "slot %u gets the container of %u", p->slot, c->slot);
	world_check(spec->host_network == !!(p->flags & LAUNCH_HOST_NET) &&
			    (!spec->host_network || judge_may(c->owner, RIGHT_HOST_NETWORK)),
		"user %u gets the host's network", c->owner);
	world_check(spec->new_privs == !!(p->flags & LAUNCH_NEW_PRIVS) &&
			    spec->new_privs == o->new_privs,
		"new privileges that nobody asked for");
	world_check(filtered || open, "no filter");
	world_check(spec->argv.n > 0 && spec->cwd[0] == '/', "an incomplete spec");
}

static void judge_start(const struct world *w, const struct peer *p, const struct shim_start *m)
{
	struct arena a = {0};
	struct err e = {0};
	struct spec spec;
	uint8_t *buf;
	size_t n;

	if (fd_memfd_read(m->spec, SPEC_MAX, &buf, &n) < 0 ||
		codec_decode(&schema_spec, buf, n, NULL, 0, &a, &spec, &e) < 0)
		world_breach("a spec that can't be read: %s", e.text);
	judge_spec(w, p, &spec, m->filter >= 0);
	arena_free(&a);
	free(buf);
}

/* Behind its slices, if it lies in any, which root alone may ask for. */
static void judge_cgroup(const struct world *w, const char *cgroup)
{
	const char *slash = strrchr(cgroup, '/');
	const struct ctr *c = known(w, slash ? slash + 1 : cgroup);

	world_check(
		!slash || c->owner == 0, "user %u puts a container into %.64s", c->owner, cgroup);
}

void judge_asked(struct world *w, const struct peer *p, enum msg_type type, const void *msg)
{
	if (type == MSG_net_attach)
		judge_attach(w, msg);
	else if (type == MSG_mount_map)
		judge_map(w, msg);
	else if (type == MSG_image_remove)
		judge_removal(w, msg);
	else if (type == MSG_shim_start)
		judge_start(w, p, msg);
	else if (type == MSG_cgroup_create)
		judge_cgroup(w, ((const struct cgroup_create *)msg)->container);
	else if (type == MSG_rootfs_open)
		known(w, ((const struct rootfs_open *)msg)->container);
}

/* ---- clients ---- */

static bool sees(const struct client *c, const struct ctr *container)
{
	return c->uid == 0 || c->uid == container->owner;
}

/* What the script holds by chance may come back in a sentence. */
void judge_bytes(const struct world *w, const struct client *c, const struct frame *f)
{
	for (const struct ctr *o = w->g.ctrs; o; o = o->next)
		world_check(sees(c, o) || !memmem(f->buf, f->len, o->id, SHORT_ID) ||
				    memmem(w->script, w->script_len, o->id, SHORT_ID),
			"%s is told of container %.12s of user %u: %s", c->name, o->id, o->owner,
			msg_name(f->type));
}

static void judge_record(const struct client *c, int memfd)
{
	struct arena a = {0};
	struct err e = {0};
	struct container rec;
	uint8_t *buf;
	size_t n;

	if (fd_memfd_read(memfd, SPEC_MAX, &buf, &n) < 0 ||
		codec_decode(&schema_container, buf, n, NULL, 0, &a, &rec, &e) < 0)
		world_breach("a record that can't be read: %s", e.text);
	world_check(c->uid == 0 || rec.owner == c->uid, "%s inspects a container of user %u",
		c->name, rec.owner);
	arena_free(&a);
	free(buf);
}

void judge_told(const struct world *w, const struct client *c, enum msg_type type, const void *msg)
{
	const struct container_listed *list = msg;
	const struct failed *failed = msg;

	if (type == MSG_container_inspected)
		judge_record(c, ((const struct container_inspected *)msg)->record);
	if (type == MSG_failed)
		world_check(failed->code > 0 && failed->text[0], "a failure without a word");
	for (uint32_t i = 0; type == MSG_container_listed && i < list->rows.n; i++)
		world_check(sees(c, known(w, list->rows.v[i].id)), "%s sees container %s", c->name,
			list->rows.v[i].name);
}

/* Some questions have an answer whatever containers there are. */
void judge_failed(const struct client *c, enum msg_type asked, const struct failed *m)
{
	world_check((asked != MSG_container_list && asked != MSG_version && asked != MSG_info &&
			    asked != MSG_facts) ||
			    m->code == EAGAIN || m->code == EBUSY,
		"%s can't have %s: %s", c->name, msg_name(asked), m->text);
}

/* ---- the engine at rest ---- */

static void judge_quotas(const struct engine *g, uid_t uid)
{
	uint64_t n = 0, memory = 0;

	for (const struct ctr *c = g->ctrs; c; c = c->next) {
		const struct create *o = c->create.obj;

		if (c->owner != uid)
			continue;
		n++;
		memory += o->limits ? o->limits->memory : 0;
		world_check(uid == 0 ||
				    policy_quota(g->policy, uid, QUOTA_MEMORY) == POLICY_UNSET ||
				    (o->limits && o->limits->memory),
			"user %u has unbounded memory", uid);
	}
	world_check(n <= policy_quota(g->policy, uid, QUOTA_CONTAINERS),
		"user %u has %lu containers", uid, n);
	world_check(memory <= policy_quota(g->policy, uid, QUOTA_MEMORY),
		"user %u has %lu bytes of memory", uid, memory);
}

static void judge_pair(const struct ctr *a, const struct ctr *b)
{
	world_check(!a->slot || a->slot != b->slot, "slot %u has two containers", a->slot);
	world_check(strcmp(a->id, b->id) != 0, "two containers are %s", a->id);
	world_check(a->owner != b->owner || strcmp(a->name, b->name) != 0,
		"user %u has two containers %s", a->owner, a->name);
}

void judge_engine(const struct world *w)
{
	for (const struct ctr *c = w->g.ctrs; c; c = c->next) {
		judge_quotas(&w->g, c->owner);
		for (const struct ctr *o = c->next; o; o = o->next)
			judge_pair(c, o);
	}
}

static void judge_twin(const struct ctr *c, const struct ctr *twin)
{
	uint8_t *a = NULL, *b = NULL;
	size_t n = 0, m = 0;

	world_check(strcmp(c->name, twin->name) == 0 && c->owner == twin->owner &&
			    c->owner_gid == twin->owner_gid &&
			    strcmp(c->image_id, twin->image_id) == 0,
		"the record of %s is another's", c->name);
	world_check(c->job || (c->slot == twin->slot && c->exit_code == twin->exit_code),
		"the record of %s is out of date", c->name);
	if (codec_encode(&schema_create, c->create.obj, SPEC_MAX, NULL, &a, &n, NULL) < 0 ||
		codec_encode(&schema_create, twin->create.obj, SPEC_MAX, NULL, &b, &m, NULL) < 0)
		abort();
	world_check(n == m && memcmp(a, b, n) == 0, "the record of %s has other options", c->name);
	free(a);
	free(b);
}

void judge_mirror(const struct world *w)
{
	struct engine twin = {.o = w->g.o, .state = w->g.state};
	struct err e = {0};

	if (state_load(&twin, &e) < 0)
		world_breach("%s", e.text);
	for (const struct ctr *c = w->g.ctrs; c; c = c->next) {
		const struct ctr *t = twin.ctrs;

		while (t && strcmp(t->id, c->id) != 0)
			t = t->next;
		world_check(t, "container %s has no record", c->name);
		judge_twin(c, t);
	}
	while (twin.ctrs)
		ctr_free(twin.ctrs);
}
