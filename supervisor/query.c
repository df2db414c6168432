/* SPDX-License-Identifier: MIT */
/*
 * Questions: answered from memory, so that no container, mount, log or disk can hold an answer up.
 */
#include "engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"

#define RECORD_MAX  (4U << 20)
#define COMMAND_MAX 256
#define PAGE_BYTES  40000 /* a row alone may have more: LABELS_MAX and 256 ports fit a frame too */
#define PAGE_ROWS   64
#define LIMITS_MS   300	 /* that cgroupd gets to say what is in force */
#define ROW_BYTES   1024 /* beside labels, ports and the image's name */
#define LABEL_BYTES 5	 /* beside its text */
#define PORT_BYTES  100

static const char *command_text(const struct ctr *c, struct arena *a)
{
	const struct spec *s = c->spec.obj;
	char *p = arena_alloc(a, COMMAND_MAX);
	size_t n = 0;

	for (uint32_t i = 0; p && s && i < s->argv.n && n < COMMAND_MAX - 1; i++)
		n += (size_t)snprintf(p + n, COMMAND_MAX - n, "%s%s", i ? " " : "", s->argv.v[i]);
	return p;
}

static size_t row_fill(const struct ctr *c, struct arena *a, struct container_row *row)
{
	const struct endpoint *ep = c->endpoint.obj;
	const struct create *o = ctr_create(c);
	size_t bytes = ROW_BYTES;

	*row = (struct container_row){.id = c->id,
		.name = c->name,
		.image = o->image ? o->image : o->rootfs,
		.image_id = c->image_id[0] ? c->image_id : NULL,
		.command = command_text(c, a),
		.created_at = c->created_at,
		.started_at = c->started_at,
		.finished_at = c->finished_at,
		.status = ctr_status_name(c),
		.exit_code = c->exit_code,
		.network = o->network ? o->network : "bridge",
		.labels = o->labels,
		.health = c->check ? c->check->state.status : NULL};
	if (ep) {
		row->ports.v = ep->ports.v;
		row->ports.n = ep->ports.n;
	}
	if (row->image)
		bytes += strlen(row->image);
	for (uint32_t i = 0; i < o->labels.n; i++)
		bytes += strlen(o->labels.v[i]) + LABEL_BYTES;
	return bytes + row->ports.n * PORT_BYTES;
}

/* What `ps` shows without -a: docker counts those between two runs. */
static bool is_up(const struct ctr *c)
{
	const char *status = ctr_status_name(c);

	return strcmp(status, "running") == 0 || strcmp(status, "paused") == 0 ||
	       strcmp(status, "restarting") == 0;
}

void on_container_list(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_list *m = msg;
	_cleanup_arena_ struct arena a = {0};
	const struct engine *g = self;
	struct container_listed answer = {0};
	uid_t uid = session_uid(ch);
	bool skip = m->after != NULL;
	size_t bytes = 0, row;

	(void)f;
	answer.rows.v = arena_alloc(&a, PAGE_ROWS * sizeof(*answer.rows.v));
	for (const struct ctr *c = g->ctrs; c && answer.rows.v; c = c->next) {
		if (skip) {
			skip = strcmp(c->id, m->after) != 0;
			continue;
		}
		if (!ctr_visible(c, uid) || (!m->all && !is_up(c)))
			continue;
		answer.more = answer.rows.n == PAGE_ROWS;
		if (answer.more)
			break;
		row = row_fill(c, &a, &answer.rows.v[answer.rows.n]);
		answer.more = answer.rows.n > 0 && bytes + row > PAGE_BYTES;
		if (answer.more)
			break;
		bytes += row;
		answer.rows.n++;
	}
	chan_reply(ch, id, MSG_container_listed, &answer);
}

static void send_record(
	const struct ctr *c, const struct cgroup_state *state, struct chan *ch, uint32_t id)
{
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_fd_ int fd = -1;
	struct container rec;
	struct err e = {0};
	size_t n;

	MSG_DECLARE(container_inspected, m);
	state_record(c, &rec);
	if (state)
		rec.devices = state->devices;
	if (codec_encode(&schema_container, &rec, RECORD_MAX, NULL, &buf, &n, &e) < 0) {
		chan_fail(ch, id, &e);
		return;
	}
	fd = fd_memfd_sealed("record", buf, n);
	if (fd < 0) {
		err_errno(&e, fd, "a memory file");
		chan_fail(ch, id, &e);
		return;
	}
	m.record = fd;
	chan_reply(ch, id, MSG_container_inspected, &m);
}

struct inspection {
	char id[ID_LEN + 1];
};

/* The limits are told as the kernel has them now, if cgroupd answers. */
static void on_limits(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct cgroup_state *m = msg;
	struct relay *r = arg;
	struct inspection *q = r->data;
	struct ctr *c = ctr_by_id(r->engine, q->id);
	struct chan *client;
	struct err why;

	(void)f;
	(void)e;
	if (c) {
		if (m && m->in_force)
			doc_copy(&c->in_force, &schema_limits, m->in_force, NULL);
		if (m)
			ctr_count(c, m);
		if (m)
			pause_settle(c, m->frozen);
		client = relay_take_client(r);
		if (client)
			send_record(c, m, client, r->id);
	} else {
		err_set(&why, ENOENT, "no such container: %.12s", q->id);
	}
	free(q);
	relay_fail(r, &why);
}

void on_container_inspect(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_inspect *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	struct cgroup_read ask;
	struct inspection *q;
	struct relay *r;

	(void)f;
	if (!c)
		return;
	if (c->status != CTR_RUNNING) {
		send_record(c, NULL, ch, id);
		return;
	}
	q = calloc(1, sizeof(*q));
	if (!q)
		abort();
	memcpy(q->id, c->id, sizeof(q->id));
	r = relay_new(self, ch, id);
	r->data = q;
	ask = (struct cgroup_read){.container = ctr_cgroup(c), .devices = true};
	helper_request(self, H_CGROUPD, MSG_cgroup_read, &ask, LIMITS_MS, on_limits, r);
}

void on_container_logs(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_logs *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	_cleanup_fd_ int dir = -1;
	struct err e;

	(void)f;
	if (!c)
		return;
	MSG_DECLARE(logs_opened, answer);
	dir = state_open_log(c, &e);
	if (dir < 0) {
		chan_fail(ch, id, &e);
		return;
	}
	answer.dir = c->started_at ? dir : -1;
	answer.running = c->status == CTR_STARTING || is_up(c);
	answer.tty = ctr_create(c)->tty;
	chan_reply(ch, id, MSG_logs_opened, &answer);
}

void on_version(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct engine *g = self;
	struct utsname u;
	struct version_is m = {
		.version = BULKHEAD_VERSION, .name = g->o->name, .pid = (uint32_t)getpid()};

	(void)msg;
	(void)f;
	if (uname(&u) == 0)
		m.kernel = u.release;
	chan_reply(ch, id, MSG_version_is, &m);
}

struct rows {
	struct arena a;
	const char *v[64];
	uint32_t n;
};

static void row(struct rows *r, const char *fmt, ...) _printf_(2, 3);
static void row(struct rows *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->n < ARRAY_LEN(r->v) && (r->v[r->n] = arena_strdup(&r->a, text)))
		r->n++;
}

static void count_containers(const struct engine *g, uid_t uid, struct rows *r)
{
	unsigned int total = 0, running = 0, paused = 0;

	for (const struct ctr *c = g->ctrs; c; c = c->next) {
		total += ctr_visible(c, uid);
		running += ctr_visible(c, uid) && c->status == CTR_RUNNING && !c->paused;
		paused += ctr_visible(c, uid) && c->paused;
	}
	row(r, "Containers=%u", total);
	row(r, "Running=%u", running);
	row(r, "Paused=%u", paused);
	row(r, "Stopped=%u", total - running - paused);
}

static void tell_quotas(const struct engine *g, uid_t uid, struct rows *r)
{
	char taken[32], all[32];

	for (enum quota q = 0; q < QUOTA_CONNECTIONS; q++) {
		uint64_t quota = policy_quota(g->policy, uid, q);

		if (quota != POLICY_UNSET)
			row(r, "Quota.%s=%s of %s", policy_quota_name(q),
				policy_amount_text(q, ctr_taken(g, uid, q), taken),
				policy_amount_text(q, quota, all));
	}
}

void on_info(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct engine *g = self;
	const struct net_ready *net = g->network.obj;
	struct rows r = {0};
	struct info_is m;
	struct utsname u;
	struct sysinfo si;

	(void)msg;
	(void)f;
	row(&r, "Name=%s", g->o->name);
	row(&r, "ServerVersion=%s", BULKHEAD_VERSION);
	count_containers(g, session_uid(ch), &r);
	tell_quotas(g, session_uid(ch), &r);
	row(&r, "StateDir=%s", g->o->state_dir);
	row(&r, "RunDir=%s", g->o->run_dir);
	row(&r, "UidRange=%u-%u", g->o->uid_base, g->o->uid_base + UID_BLOCK - 1);
	for (unsigned int i = 0; i < H_COUNT; i++)
		row(&r, "%s=%s", role_name(g->helpers[i].role),
			g->helpers[i].chan ? "running" : "down");
	if (net)
		row(&r, "Bridge=%s", net->bridge);
	if (net)
		row(&r, "Subnets=%s%s%s", net->subnet4, net->subnet6 ? " " : "",
			net->subnet6 ? net->subnet6 : "");
	if (uname(&u) == 0)
		row(&r, "KernelVersion=%s", u.release);
	if (sysinfo(&si) == 0)
		row(&r, "MemTotal=%lu", (unsigned long)si.totalram * si.mem_unit);
	row(&r, "NCPU=%ld", sysconf(_SC_NPROCESSORS_ONLN));
	m = (struct info_is){.rows = {r.v, r.n}};
	chan_reply(ch, id, MSG_info_is, &m);
	arena_free(&r.a);
}
