/* SPDX-License-Identifier: MIT */
/*
 * Making a container's record: everything that can be refused is refused here, before anything is
 * made.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "device_rules.h"
#include "engine.h"
#include "mounts.h"
#include "resolve.h"
#include "seccomp.h"
#include "slice.h"
#include "update.h"

#define OPTIONS_MAX (2U << 20)
#define IMAGED_MS   30000
#define CGROUPD_MS  10000

/* A user's creations that wait for the image: each holds its options and descriptors. */
#define WAITING_MAX 32

/* What lists show of a container must fit one frame. */
#define LABELS_MAX (24U << 10)

struct request {
	struct request *next; /* of those the engine works on */
	struct engine *engine;
	struct doc options;
	int *sources;
	uint32_t n_sources;
	int rootfs, filter;
	uid_t uid;
	gid_t gid;
};

static void request_free(struct request *q)
{
	struct request **p = &q->engine->creating;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	for (uint32_t i = 0; i < q->n_sources; i++)
		fd_close(&q->sources[i]);
	free(q->sources);
	fd_close(&q->rootfs);
	fd_close(&q->filter);
	doc_free(&q->options);
	free(q);
}

static int check_network(const struct create *o, struct err *e)
{
	static const char *const known[] = {"bridge", "default", "none", "host"};
	bool ok = !o->network;

	for (unsigned int i = 0; i < ARRAY_LEN(known) && !ok; i++)
		ok = strcmp(o->network, known[i]) == 0;
	if (!ok)
		return err_set(e, EINVAL,
			"network %.64s not found; there are bridge, none and host", o->network);
	if (o->ports.n > 0 && o->network && strcmp(o->network, "none") == 0)
		return err_set(e, EINVAL, "ports can't be published with --network none");
	if ((o->ip4 || o->ip6 || o->mac) && o->network && strcmp(o->network, "bridge") != 0)
		return err_set(e, EINVAL, "--ip, --ip6 and --mac-address need --network bridge");
	return 0;
}

static int check_mounts(const struct create *o, uint32_t n_sources, struct err *e)
{
	uint32_t binds = 0;

	for (uint32_t i = 0; i < o->mounts.n; i++) {
		const struct mount *m = &o->mounts.v[i];

		if (*m->target != '/' || strcmp(m->target, "/") == 0)
			return err_set(e, EINVAL,
				"mount target \"%.128s\" must be an absolute path and not /",
				m->target);
		if (!mount_has_source(m) && !mount_is(m, "tmpfs"))
			return err_set(e, EINVAL,
				"mounts of kind \"%s\" are not known; there are bind, device and tmpfs",
				m->kind);
		binds += mount_has_source(m);
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(o->mounts.v[k].target, m->target) == 0)
				return err_set(
					e, EINVAL, "duplicate mount point: %.128s", m->target);
	}
	if (binds != n_sources)
		return err_set(
			e, EINVAL, "%u bind mounts came with %u descriptors", binds, n_sources);
	return 0;
}

static int check_labels(const struct create *o, struct err *e)
{
	size_t n = 0;

	for (uint32_t i = 0; i < o->labels.n; i++)
		n += strlen(o->labels.v[i]);
	return n <= LABELS_MAX ? 0
			       : err_set(e, E2BIG, "the labels take %zu bytes; %u are allowed", n,
					 LABELS_MAX);
}

static int check_quotas(struct engine *g, const struct request *q, struct err *e)
{
	int r = 0;

	for (enum quota i = 0; i < QUOTA_CONNECTIONS && r == 0; i++)
		r = policy_check_quota(g->policy, q->uid, i, ctr_taken(g, q->uid, i),
			policy_amount(i, q->options.obj), e);
	return r;
}

static int check(struct engine *g, const struct request *q, struct err *e)
{
	const struct create *o = q->options.obj;
	char path[SLICE_PATH_MAX + 1];
	int r = 0;

	if ((o->image != NULL) == (o->rootfs != NULL))
		return err_set(e, EINVAL, "a container needs either an image or a root directory");
	if (seccomp_is_own(o) != (q->filter >= 0))
		return err_set(e, EINVAL, "the seccomp option and its filter don't come together");
	if (o->rootfs && q->rootfs < 0)
		return err_set(e, EINVAL, "--rootfs came without its descriptor");
	if (o->rootfs && o->isolated_layers)
		return err_set(
			e, EINVAL, "isolated layers are an image's: a root directory has none");
	if (o->name)
		r = ctr_name_check(g, o->name, q->uid, e);
	if (r == 0)
		r = restart_check(o, e);
	if (r == 0)
		r = health_check_options(o, e);
	if (r == 0)
		r = policy_check_rights(g->policy, q->uid, o, e);
	if (r == 0)
		r = check_quotas(g, q, e);
	if (r == 0)
		r = check_network(o, e);
	if (r == 0)
		r = check_mounts(o, q->n_sources, e);
	if (r == 0)
		r = device_rules_check(o, e);
	if (r == 0)
		r = check_labels(o, e);
	if (r == 0 && o->cgroup_parent)
		r = slice_expand(o->cgroup_parent, path, e);
	return r;
}

/* -P: every port that the image exposes, on a free port of the host. */
static int add_exposed(
	struct create *o, const struct image_config *img, struct arena *a, struct err *e)
{
	struct port *v = arena_alloc(a, (o->ports.n + img->exposed.n) * sizeof(*v));

	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	if (o->ports.n)
		memcpy(v, o->ports.v, o->ports.n * sizeof(*v));
	o->ports.v = v;
	for (uint32_t i = 0; i < img->exposed.n; i++) {
		unsigned int port;
		char proto[5] = "tcp";

		if (sscanf(img->exposed.v[i], "%5u/%4[a-z]", &port, proto) < 1 || port == 0 ||
			port > 65535 || (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0))
			continue; /* data of the image: what can't be published isn't */
		v[o->ports.n++] = (struct port){
			.container_port = port, .proto = strcmp(proto, "udp") == 0 ? "udp" : "tcp"};
	}
	return 0;
}

/* A NONE is kept, for people. */
static int fill_health(struct ctr *c, const struct image_config *img, struct err *e)
{
	struct health h;
	bool checked = health_merge(ctr_create(c)->health, img ? img->health : NULL, &h);

	return checked || h.test.n > 0 ? doc_copy(&c->health, &schema_health, &h, e) : 0;
}

/* Image labels first, then the user's; same keys replaced. */
static int fill(struct ctr *c, struct request *q, const struct image *img, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct create *o = q->options.obj;
	char name[NAME_LEN + 1];
	struct spec spec;
	int r = 0;

	if (o->network && strcmp(o->network, "default") == 0)
		o->network = "bridge";
	if (img && o->publish_all && img->config)
		r = add_exposed(o, img->config, &a, e);
	if (r == 0)
		r = resolve_spec(o, img ? img->config : NULL, c->id, &a, &spec, e);
	update_forget_lifted(o);
	if (r == 0)
		r = doc_copy(&c->create, &schema_create, o, e);
	if (r == 0)
		r = ctr_place(c, e);
	if (r == 0 && img && img->config)
		r = doc_copy(&c->config, &schema_image_config, img->config, e);
	if (r == 0)
		r = doc_copy(&c->spec, &schema_spec, &spec, e);
	if (r == 0)
		r = fill_health(c, img ? img->config : NULL, e);
	if (r < 0)
		return r;
	if (o->name)
		snprintf(name, sizeof(name), "%s", o->name);
	else
		ctr_name_random(c->engine, q->uid, name);
	memcpy(c->name, name, sizeof(c->name));
	if (img)
		snprintf(c->image_id, sizeof(c->image_id), "%s", img->id);
	c->owner = q->uid;
	c->owner_gid = q->gid;
	c->created_at = time_now_ns();
	c->remove_after = o->autoremove;
	c->sources = TAKE_PTR(q->sources);
	c->n_sources = q->n_sources;
	q->n_sources = 0;
	c->rootfs = take_fd(&q->rootfs);
	return 0;
}

void create_end(struct ctr *c, const struct err *e)
{
	struct relay *r = TAKE_PTR(c->maker);
	const struct container_created m = {.id = c->id, .name = c->name};

	if (!e || c->job || c->status != CTR_CREATED) {
		event_tell(c, "create", NULL);
		relay_reply(r, MSG_container_created, &m);
		return;
	}
	relay_fail(r, e);
	state_remove(c, NULL);
	ctr_free(c);
}

static void finish(struct relay *r, const struct image *img)
{
	struct engine *g = r->engine;
	struct request *q = r->data;
	struct err e = {0};
	struct ctr *c;

	/* The name was free when the image was asked for; another may have taken it since. */
	if (check(g, q, &e) < 0) {
		request_free(q);
		relay_fail(r, &e);
		return;
	}
	c = ctr_new(g);
	if (fill(c, q, img, &e) < 0 || state_make_dir(c, &e) < 0) {
		ctr_free(c);
		c = NULL;
	} else if (seccomp_keep(c, q->filter, &e) < 0 || state_save(c, &e) < 0) {
		state_remove(c, NULL);
		ctr_free(c);
		c = NULL;
	}
	request_free(q);
	if (!c) {
		relay_fail(r, &e);
		return;
	}
	c->maker = r;
	if (!c->settling)
		create_end(c, NULL);
}

static void on_image(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct image_inspected *m = msg;
	struct relay *r = arg;

	(void)f;
	if (m) {
		finish(r, m->image);
		return;
	}
	request_free(r->data);
	relay_fail(r, e);
}

static void find_image(struct relay *r)
{
	const struct request *q = r->data;
	const struct create *o = q->options.obj;
	const struct image_inspect ask = {.ref = o->image};

	if (ask.ref)
		helper_request(
			r->engine, H_IMAGED, MSG_image_inspect, &ask, IMAGED_MS, on_image, r);
	else
		finish(r, NULL);
}

static void on_cpusets(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct relay *r = arg;
	struct err why;

	(void)msg;
	(void)f;
	if (!e) {
		find_image(r);
		return;
	}
	why = *e;
	err_prefix(&why, "limits"); /* as the step of a start says it */
	request_free(r->data);
	relay_fail(r, &why);
}

bool cpusets_check(struct engine *g, const struct limits *l, reply_fn fn, void *arg)
{
	struct limits sets = {0};
	const struct cgroup_check ask = {.limits = &sets};

	if (!l || (!l->cpuset_cpus && !l->cpuset_mems))
		return false;
	sets.cpuset_cpus = l->cpuset_cpus;
	sets.cpuset_mems = l->cpuset_mems;
	helper_request(g, H_CGROUPD, MSG_cgroup_check, &ask, CGROUPD_MS, fn, arg);
	return true;
}

static struct request *request_new(struct engine *g, struct chan *ch, struct err *e)
{
	struct request *q = calloc(1, sizeof(*q));
	unsigned int n = 0;

	if (!q)
		abort();
	*q = (struct request){.next = g->creating,
		.engine = g,
		.rootfs = -1,
		.filter = -1,
		.uid = session_uid(ch),
		.gid = session_gid(ch)};
	for (const struct request *o = g->creating; o; o = o->next)
		n += o->uid == q->uid;
	g->creating = q;
	if (q->uid == 0 || n < WAITING_MAX)
		return q;
	request_free(q);
	err_set(e, EAGAIN, "%u of your containers are being created; wait for them", n);
	return NULL;
}

static struct request *take_request(struct engine *g, const struct container_create *m,
	struct chan *ch, struct frame *f, struct err *e)
{
	struct request *q = request_new(g, ch, e);
	int r;

	if (!q)
		return NULL;
	q->rootfs = frame_take_fd(f, m->rootfs);
	q->filter = frame_take_fd(f, m->filter);
	q->sources = calloc(m->sources.n + 1, sizeof(int));
	if (!q->sources)
		abort();
	for (; q->n_sources < m->sources.n; q->n_sources++)
		q->sources[q->n_sources] = frame_take_fd(f, m->sources.v[q->n_sources]);
	r = doc_read(&q->options, &schema_create, m->options, OPTIONS_MAX, e);
	if (r == -EFBIG)
		err_set(e, EFBIG, "the container's options are larger than %u bytes", OPTIONS_MAX);
	if (r == 0)
		r = policy_preset(g->policy, q->uid, q->options.obj, &q->options.arena, e);
	if (r == 0)
		return q;
	request_free(q);
	return NULL;
}

void on_container_create(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	struct err e = {0};
	struct request *q = take_request(self, msg, ch, f, &e);
	struct relay *r;

	if (q && check(self, q, &e) < 0) {
		request_free(q);
		q = NULL;
	}
	if (!q) {
		chan_fail(ch, id, &e);
		return;
	}
	r = relay_new(self, ch, id);
	r->data = q;
	if (!cpusets_check(self, ((const struct create *)q->options.obj)->limits, on_cpusets, r))
		find_image(r);
}
