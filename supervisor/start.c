/* SPDX-License-Identifier: MIT */
/*
 * Starting a container: the step table of the start path. Every step asks another process; what
 * comes back are descriptors, which the last step hands to the shim.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "device_rules.h"
#include "resolve.h"
#include "seccomp.h"
#include "start.h"
#include "update.h"

#define COPY_MS	     600000 /* layers of a large image take their time */
#define RESOLV_MAX   16384
#define PIDS_DEFAULT 2048

static void close_all(int *v, uint32_t *n)
{
	while (*n > 0)
		fd_close(&v[--*n]);
}

void start_close(struct start *s)
{
	close_all(s->layers, &s->n_layers);
	close_all(s->procs, &s->n_procs);
	close_all(s->binds, &s->n_binds);
	fd_close(&s->in);
	fd_close(&s->out);
	fd_close(&s->err);
	fd_close(&s->writable);
	fd_close(&s->rootfs);
	fd_close(&s->spec);
	fd_close(&s->filter);
}

static bool network_is(const struct ctr *c, const char *name)
{
	const char *n = ctr_create(c)->network;

	return strcmp(n ? n : "bridge", name) == 0;
}

/* ---- shim: a first process in its namespaces, waiting ---- */

static void on_shim(void *ref, struct shim *s, const struct err *e)
{
	struct ctr *c = step_job(ref)->ctr;

	if (s) {
		c->shim = s;
		s->ctr = c;
		c->slot = s->slot;
		c->pid = s->child_pid;
	}
	job_step_done(ref, e);
}

static void start_shim(struct job *j, void *ref)
{
	uint32_t flags = (network_is(j->ctr, "host") ? LAUNCH_HOST_NET : 0U) |
			 (ctr_create(j->ctr)->new_privs ? LAUNCH_NEW_PRIVS : 0U);

	shims_take(j->engine, j->ctr->slot, flags, on_shim, ref);
}

/* A shim that died on the way may have left its workload behind. */
void undo_shim(struct job *j)
{
	if (!j->ctr->shim && j->ctr->slot)
		helpers_kill(j->engine, j->ctr->slot);
	shim_end(j->ctr->shim);
}

void start_step_end(void *ref, const struct err *e)
{
	if (e)
		start_hurry(step_job(ref)->ctr);
	job_step_done(ref, e);
}

/* ---- cgroup ---- */

static void on_cgroup(void *ref, void *msg, struct frame *f, const struct err *e)
{
	struct job *j = step_job(ref);
	struct start *s = j->data;
	const struct cgroup_created *m = msg;

	for (uint32_t i = 0; m && i < m->procs.n; i++)
		s->procs[s->n_procs++] = frame_take_fd(f, m->procs.v[i]);
	/* A visit's are not those that its workload has run, or will run, under. */
	if (m && m->in_force && !j->ctr->visit)
		doc_copy(&j->ctr->in_force, &schema_limits, m->in_force, NULL);
	start_step_end(ref, e);
}

void start_cgroup(struct job *j, void *ref)
{
	const struct limits *asked = ctr_create(j->ctr)->limits;
	struct limits limits = asked ? *asked : (struct limits){0};
	struct device_rule devices[DEVICE_RULES_MAX];
	const struct cgroup_create m = {.container = ctr_cgroup(j->ctr),
		.limits = &limits,
		.listed = device_rules_given(j->ctr),
		.devices = {devices, device_rules(j->ctr, devices)}};

	if (limits.pids == 0)
		limits.pids = PIDS_DEFAULT;
	helper_request(
		j->engine, H_CGROUPD, MSG_cgroup_create, &m, START_HELPER_MS, on_cgroup, ref);
}

void undo_cgroup(struct job *j)
{
	const struct cgroup_remove m = {.container = ctr_cgroup(j->ctr)};

	helper_tell(j->engine, H_CGROUPD, MSG_cgroup_remove, &m);
}

/* ---- rootfs ---- */

bool wants_image(const struct job *j)
{
	return ctr_create(j->ctr)->image != NULL;
}

static void on_rootfs(void *ref, void *msg, struct frame *f, const struct err *e)
{
	struct job *j = step_job(ref);
	struct start *s = j->data;
	const struct rootfs_opened *m = msg;

	for (uint32_t i = 0; m && i < m->layers.n; i++)
		s->layers[s->n_layers++] = frame_take_fd(f, m->layers.v[i]);
	if (m) {
		s->writable = frame_take_fd(f, m->writable);
		j->ctr->rootfs_made = true;
	}
	start_step_end(ref, e);
}

void start_rootfs(struct job *j, void *ref)
{
	MSG_DECLARE(rootfs_open, m);

	m.container = j->ctr->id;
	m.image_id = j->ctr->image_id;
	m.userns = j->ctr->shim->userns;
	m.isolated = !j->ctr->visit && ctr_create(j->ctr)->isolated_layers;
	helper_request(j->engine, H_IMAGED, MSG_rootfs_open, &m,
		m.isolated ? COPY_MS : START_HELPER_MS, on_rootfs, ref);
}

void start_hurry(struct ctr *c)
{
	const struct rootfs_cancel m = {.container = c->id};
	struct chan *imaged = helper_chan(c->engine, H_IMAGED);

	if (imaged && ctr_create(c)->isolated_layers)
		chan_event(imaged, MSG_rootfs_cancel, 0, &m);
}

/* ---- network ---- */

static bool wants_network(const struct job *j)
{
	return !network_is(j->ctr, "host");
}

static void on_network(void *ref, void *msg, struct frame *f, const struct err *e)
{
	const struct net_attached *m = msg;
	struct job *j = step_job(ref);

	(void)f;
	j->ctr->attaching = false;
	if (m)
		doc_copy(&j->ctr->endpoint, &schema_endpoint, m->endpoint, NULL);
	start_step_end(ref, e);
}

static void start_network(struct job *j, void *ref)
{
	const struct create *o = ctr_create(j->ctr);

	MSG_DECLARE(net_attach, m);
	MSG_DECLARE(net_loopback, lo);
	if (network_is(j->ctr, "none")) {
		lo.rtnl = j->ctr->shim->rtnl;
		helper_request(j->engine, H_NETD, MSG_net_loopback, &lo, START_HELPER_MS,
			job_on_reply, ref);
		return;
	}
	m.container = j->ctr->id;
	m.network = "bridge";
	m.netns = j->ctr->shim->netns;
	m.rtnl = j->ctr->shim->rtnl;
	m.ip4 = o->ip4;
	m.ip6 = o->ip6;
	m.mac = o->mac;
	m.ports.v = o->ports.v;
	m.ports.n = o->ports.n;
	j->ctr->attaching = true;
	helper_request(j->engine, H_NETD, MSG_net_attach, &m, START_HELPER_MS, on_network, ref);
}

static void undo_network(struct job *j)
{
	const struct net_detach m = {.container = j->ctr->id};

	if (network_is(j->ctr, "bridge"))
		helper_tell(j->engine, H_NETD, MSG_net_detach, &m);
	doc_free(&j->ctr->endpoint);
}

/* ---- workload: everything goes to the shim ---- */

int start_seal(struct start *s, const struct spec *spec, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;
	int r = codec_encode(&schema_spec, spec, START_SPEC_MAX, NULL, &buf, &n, e);

	if (r < 0)
		return r;
	s->spec = fd_memfd_sealed("spec", buf, n);
	return s->spec < 0 ? err_errno(e, s->spec, "a memory file") : 0;
}

static int make_spec(struct job *j, struct err *e)
{
	struct ctr *c = j->ctr;
	const struct create *o = ctr_create(c);
	const struct net_ready *net = j->engine->network.obj;
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ char *resolv = NULL;
	struct start *s = j->data;
	struct spec spec;
	int r = resolve_spec(o, c->config.obj, c->id, &a, &spec, e);

	fd_read_file_at(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &resolv, NULL);
	if (r == 0)
		r = resolve_hosts(o, spec.hostname, c->endpoint.obj, net ? net->gateway4 : NULL, &a,
			&spec.hosts, e);
	if (r == 0)
		r = resolve_resolv_conf(o, resolv, spec.host_network, &a, &spec.resolv_conf, e);
	if (r == 0)
		r = doc_copy(&c->spec, &schema_spec, &spec, e);
	return r < 0 ? r : start_seal(s, &spec, e);
}

static void on_workload(void *ref, void *msg, struct frame *f, const struct err *e)
{
	const struct shim_started *m = msg;

	(void)f;
	if (m)
		step_job(ref)->ctr->started_at = m->started_at;
	job_step_done(ref, e);
}

void start_send(struct job *j, void *ref, int log, reply_fn fn)
{
	struct start *s = j->data;
	struct err e;

	MSG_DECLARE(shim_start, m);
	m.spec = s->spec;
	m.layers = (struct fdv){s->layers, s->n_layers};
	m.writable = s->writable;
	m.rootfs = s->rootfs;
	m.procs = (struct fdv){s->procs, s->n_procs};
	m.binds = (struct fdv){s->binds, s->n_binds};
	m.log = log;
	m.in = s->in;
	m.out = s->out;
	m.err = s->err;
	m.rows = s->rows;
	m.cols = s->cols;
	m.filter = s->filter;
	if (!j->ctr->shim || !j->ctr->shim->chan) {
		err_set(&e, ECONNRESET, "its shim died");
		job_step_done(ref, &e);
		return;
	}
	chan_request(j->ctr->shim->chan, MSG_shim_start, &m, START_HELPER_MS, fn, ref);
}

static void start_workload(struct job *j, void *ref)
{
	_cleanup_fd_ int log = -1;
	struct start *s = j->data;
	struct err e = {0};

	if (make_spec(j, &e) == 0 && seccomp_open(j->ctr, &s->filter, &e) == 0)
		log = state_open_log_for_shim(j->ctr, &e);
	if (log < 0)
		job_step_done(ref, &e);
	else
		start_send(j, ref, log, on_workload);
}

static const struct step steps[] = {
	{"shim", 0, NULL, start_shim, undo_shim},
	{"limits", 1, NULL, start_cgroup, undo_cgroup},
	{"rootfs", 1, wants_image, start_rootfs, NULL}, /* its writable layer stays until rm */
	{"network", 1, wants_network, start_network, undo_network},
	{"mounts", 1, wants_binds, start_binds, NULL},
	{"workload", 2, NULL, start_workload, NULL},
	{0},
};

/* What was asked meanwhile. A container that did not start has ended for all who wait for that,
 * unless it is tried again. */
static void after_start(struct ctr *c, bool failed)
{
	if (!failed && c->stop_wanted)
		stop_begin(c, c->stop_seconds);
	else if (!failed && c->engine->ending)
		stop_begin(c, c->engine->o->shutdown_timeout);
	c->stop_wanted = false;
	if (!failed)
		return;
	if (c->status == CTR_RESTARTING) {
		wait_notify(c, WAIT_EXIT, 0);
		return;
	}
	follow_end(c);
	wait_ended(c);
	if (c->remove_after)
		remove_begin(c);
}

/* netd names who has a port or an address: that may be a container of somebody else. */
static void keep_failure(struct ctr *c, const struct err *e, struct err *ret)
{
	*ret = *e;
	ctr_conceal(c->engine, c->owner, ret);
	memcpy(c->error, ret->text, sizeof(c->error));
}

/* One that nobody asked for may be tried again: what it lacked may come. */
static void start_failed(struct ctr *c, bool asked, const struct err *e, struct err *ret)
{
	c->status = c->finished_at ? CTR_EXITED : CTR_CREATED;
	c->exit_code = e->code == ERR_NO_COMMAND ? 127 : e->code == ERR_NOT_EXECUTABLE ? 126 : 125;
	keep_failure(c, e, ret);
	if (asked)
		return;
	log_error("starting container %.12s again: %s", c->id, ret->text);
	c->finished_at = time_now_ns();
	restart_plan(c, 0);
}

static void tell(struct relay *r, const struct ctr *c, const struct err *failure)
{
	const struct container_started m = {.id = c->id, .pid = c->pid};

	if (r && failure)
		relay_fail(r, failure);
	else if (r)
		relay_reply(r, MSG_container_started, &m);
}

static void on_end(struct job *j, const struct err *e)
{
	struct engine *g = j->engine;
	struct start *s = j->data;
	struct ctr *c = j->ctr;
	struct err told;

	c->restart.automatic = false;
	if (e) {
		start_failed(c, s->relay, e, &told);
	} else {
		c->writable = take_fd(&s->writable);
		c->status = CTR_RUNNING;
		c->finished_at = 0;
		update_forget_due(c);
		health_begin(c, true);
	}
	/* Before it is told: a successor knows what we have said. */
	state_save_or_log(c);
	if (!e)
		event_tell(c, "start", NULL);
	/* One that came while it was starting still has both halves before it. */
	if (!c->stop_wanted) {
		if (!e && c->restart.by_hand)
			event_tell(c, "restart", NULL);
		c->restart.by_hand = false;
	}
	tell(s->relay, c, e ? &told : NULL);
	start_close(s);
	free(s);
	after_start(c, e != NULL);
	shims_fill(g);
	engine_end_if_idle(g);
}

void start_begin(struct ctr *c, const struct container_start *how, struct relay *r)
{
	struct start *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	*s = (struct start){.relay = r, START_NONE};
	s->rows = how->rows;
	s->cols = how->cols;
	s->in = how->in;
	s->out = how->out;
	s->err = how->err;
	if (r)
		follow_begin(c, r->client, how);
	c->status = CTR_STARTING;
	c->error[0] = '\0';
	c->exit_code = 0;
	c->oom_killed = c->kill_due = false;
	c->oom_at = c->oom_before = c->oom_read_at = 0;
	c->memory_peak = c->pids_hits = 0;
	job_begin(c->engine, c, steps, false, s, on_end);
}
