/* SPDX-License-Identifier: MIT */
/*
 * Execs: one more process in a running container, asked for by ctl, made by the container's shim.
 */
#include "engine.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/fd.h"
#include "resolve.h"

#define SPEC_MAX   (2U << 20)
#define SHIM_MS	   30000
#define COUNT_MS   2000
#define EXECS_KEPT 64 /* ended ones whose code nobody has asked for */

static struct exec *exec_find(struct ctr *c, uint32_t number)
{
	struct exec *x = c->execs;

	while (x && x->number != number)
		x = x->next;
	return x;
}

static void exec_drop(struct ctr *c, struct exec *gone)
{
	for (struct exec **p = &c->execs; *p; p = &(*p)->next) {
		if (*p != gone)
			continue;
		*p = gone->next;
		free(gone);
		return;
	}
}

/* The oldest ended ones go first; the list is newest first. */
static void exec_trim(struct ctr *c)
{
	struct exec *oldest = NULL;
	unsigned int n = 0;

	for (struct exec *x = c->execs; x; x = x->next) {
		if (!x->ended)
			continue;
		oldest = x;
		n++;
	}
	if (n > EXECS_KEPT)
		exec_drop(c, oldest);
}

void exec_ended(struct ctr *c, uint32_t number, uint32_t exit_code)
{
	struct exec *x = exec_find(c, number);

	if (!x)
		return;
	x->ended = true;
	x->exit_code = exit_code;
	if (!x->visit)
		event_tell(
			c, "exec_die", "execID=%" PRIu32 "\nexitCode=%" PRIu32, number, exit_code);
	else if (exit_code == 0)
		event_tell(c, x->visit, NULL);
	wait_notify(c, WAIT_EXIT, number);
	exec_trim(c);
}

void exec_forget(struct ctr *c, uint32_t number)
{
	struct exec *x = exec_find(c, number);

	if (x)
		exec_drop(c, x);
}

void on_exec_exited(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct shim_exec_exited *m = msg;
	struct shim *s = self;

	(void)ch;
	(void)id;
	(void)f;
	if (s->ctr && !health_exited(s->ctr, m))
		exec_ended(s->ctr, m->exec, m->exit_code);
}

struct request {
	char ctr[ID_LEN + 1];
	uint32_t number;
	uint64_t asked_ns;	/* when the kernel's count was asked for */
	int spec, in, out, err; /* until the shim has them */
};

static void request_close(struct request *q)
{
	fd_close(&q->spec);
	fd_close(&q->in);
	fd_close(&q->out);
	fd_close(&q->err);
}

static void request_free(struct request *q)
{
	request_close(q);
	free(q);
}

static void on_execed(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct shim_execed *m = msg;
	struct relay *r = arg;
	struct request *q = r->data;
	struct container_execed answer = {.exec = q->number, .pid = m ? m->pid : 0};
	struct ctr *c = ctr_by_id(r->engine, q->ctr);
	struct exec *x = c ? exec_find(c, q->number) : NULL;

	(void)f;
	if (x)
		x->begun_ns = time_mono_ns();
	if (!e && x && !x->visit)
		event_tell(c, "exec_start", "execID=%" PRIu32, q->number);
	if (e && c) {
		wait_fail(c, WAIT_EXIT, q->number, e);
		exec_forget(c, q->number);
	}
	request_free(q);
	if (e)
		relay_fail(r, e);
	else
		relay_reply(r, MSG_container_execed, &answer);
}

/* What the exec doesn't say, the container does. */
static int complete(const struct ctr *c, struct exec_spec *x, struct arena *a, struct err *e)
{
	const struct create *o = ctr_create(c);
	const struct spec *base = c->spec.obj;
	struct create with = {.env = x->env, .tty = x->tty};
	struct image_config img = {.env = base->env};

	if (x->argv.n == 0 || x->argv.v[0][0] == '\0')
		return err_set(e, EINVAL, "exec: no command given");
	if (x->cwd && *x->cwd != '/')
		return err_set(e, EINVAL,
			"the working directory \"%.128s\" is not an absolute path", x->cwd);
	x->cwd = x->cwd ? x->cwd : base->cwd;
	x->user = x->user ? x->user : base->user;
	if (x->group_add.n == 0)
		x->group_add = o->group_add;
	x->caps = x->privileged ? CAPS_ALL : base->caps;
	x->new_privs = base->new_privs;
	return resolve_env(&with, &img, base->hostname, a, &x->env, e);
}

static int seal(const struct exec_spec *x, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;
	int r = codec_encode(&schema_exec_spec, x, SPEC_MAX, NULL, &buf, &n, e);

	if (r < 0)
		return r;
	r = fd_memfd_sealed("exec_spec", buf, n);
	return r < 0 ? err_errno(e, r, "a memory file") : r;
}

int exec_make_spec(const struct ctr *c, struct exec_spec *x, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	int r = complete(c, x, &a, e);

	return r < 0 ? r : seal(x, e);
}

static struct relay *begin(
	struct ctr *c, struct chan *ch, uint32_t id, const struct exec_spec *asked)
{
	struct relay *r = relay_new(c->engine, ch, id);
	struct request *q = calloc(1, sizeof(*q));
	struct exec *x = calloc(1, sizeof(*x));

	if (!q || !x) {
		log_error("out of memory");
		abort();
	}
	*q = (struct request){.spec = -1, .in = -1, .out = -1, .err = -1};
	memcpy(q->ctr, c->id, sizeof(q->ctr));
	q->number = x->number = c->next_exec++;
	x->visit = visit_event(asked);
	x->next = c->execs;
	c->execs = x;
	r->data = q;
	return r;
}

static void ask_shim(struct ctr *c, struct relay *r)
{
	struct request *q = r->data;

	MSG_DECLARE(shim_exec, x);
	x.exec = q->number;
	x.spec = q->spec;
	x.in = q->in;
	x.out = q->out;
	x.err = q->err;
	chan_request(c->shim->chan, MSG_shim_exec, &x, SHIM_MS, on_execed, r);
	request_close(q);
}

/* A process that joins a cgroup is counted and not refused ("organisational operations are not
 * blocked by cgroup policies", Documentation/admin-guide/cgroup-v1/pids.rst), so a container's
 * limit would be none for execs. One may always come, for a look into what is full. */
static bool must_count(const struct ctr *c, const struct exec_spec *asked)
{
	const struct limits *l = c->in_force.obj;
	const struct exec *x = c->execs;

	while (x && (x->ended || x->visit))
		x = x->next;
	return x && l && l->pids > 0 && !asked->visit;
}

static int check_room(
	const struct ctr *c, const struct request *q, const struct cgroup_state *m, struct err *e)
{
	int64_t limit = m->in_force ? m->in_force->pids : 0;
	uint64_t coming = 0, others = 0;

	for (const struct exec *x = c->execs; x; x = x->next) {
		if (x->ended || x->number == q->number)
			continue;
		others += !x->visit;
		coming += x->begun_ns == 0 || x->begun_ns >= q->asked_ns;
	}
	if (limit <= 0 || others == 0 || m->pids + coming < (uint64_t)limit)
		return 0;
	return err_set(e, EAGAIN,
		"container %s has all the %" PRId64
		" processes that it may have, an exec's among them; try again when one has ended",
		c->name, limit);
}

/* Without cgroupd nothing is known of them, and nobody is kept out for that. */
static void on_counted(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct relay *r = arg;
	const struct request *q = r->data;
	struct ctr *c = ctr_by_id(r->engine, q->ctr);
	struct err why = {0};

	(void)f;
	if (!c || c->status != CTR_RUNNING || !c->shim || !c->shim->chan)
		err_set(&why, ESRCH, "the container has ended");
	else if (!r->client)
		err_set(&why, ECANCELED, "who asked for it has gone");
	else if (!e)
		check_room(c, q, msg, &why);
	if (why.code)
		on_execed(r, NULL, NULL, &why);
	else
		ask_shim(c, r);
}

static int run(struct ctr *c, struct chan *ch, uint32_t id, const struct container_exec *m,
	const struct exec_spec *asked, struct frame *f, struct err *e)
{
	const struct cgroup_read count = {.container = ctr_cgroup(c)};
	bool counts = must_count(c, asked);
	int spec = seal(asked, e);
	struct request *q;
	struct relay *r;

	if (spec < 0)
		return spec;
	r = begin(c, ch, id, asked);
	q = r->data;
	q->asked_ns = time_mono_ns();
	q->spec = spec;
	q->in = frame_take_fd(f, m->in);
	q->out = frame_take_fd(f, m->out);
	q->err = frame_take_fd(f, m->err);
	if (counts)
		helper_request(
			c->engine, H_CGROUPD, MSG_cgroup_read, &count, COUNT_MS, on_counted, r);
	else
		ask_shim(c, r);
	return 0;
}

/* Of a container that doesn't run. */
static int visit(struct ctr *c, struct chan *ch, uint32_t id, const struct container_exec *m,
	struct doc *asked, struct frame *f, struct err *e)
{
	struct relay *r;
	uint32_t number;

	if ((c->visit || c->job) && turn_wait(c, ch, id, m, f, on_container_exec))
		return 0;
	if (visit_may_begin(c, e) < 0)
		return -e->code;
	r = begin(c, ch, id, asked->obj);
	number = ((const struct request *)r->data)->number;
	request_free(TAKE_PTR(r->data));
	visit_begin(c, asked, m, f, r, number);
	return 0;
}

/* A program, or a visit, runs only in a container that runs; some visits in others as well. */
static int check_state(const struct ctr *c, bool runs, const struct exec_spec *x, struct err *e)
{
	if (runs && c->paused)
		return err_set(e, EINVAL, "container %s is paused; unpause it first", c->name);
	if (runs || (x->visit && visit_needs_no_run(x)))
		return 0;
	return err_set(e, EINVAL,
		c->status == CTR_RESTARTING ? "container %s is restarting; wait until it runs"
					    : "container %s is not running",
		c->name);
}

void on_container_exec(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct container_exec *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	_cleanup_arena_ struct arena a = {0};
	struct doc asked = {0};
	struct exec_spec *x;
	struct err e = {0};
	bool runs;
	int r;

	if (!c)
		return;
	runs = c->status == CTR_RUNNING && c->shim && c->shim->chan;
	r = doc_read(&asked, &schema_exec_spec, m->spec, SPEC_MAX, &e);
	x = asked.obj;
	if (r == 0 && x->visit)
		r = visit_check(x, &e);
	if (r == 0)
		r = check_state(c, runs, x, &e);
	if (r == 0 && !x->visit)
		r = complete(c, x, &a, &e);
	if (r == 0)
		r = runs ? run(c, ch, id, m, x, f, &e) : visit(c, ch, id, m, &asked, f, &e);
	if (r < 0)
		chan_fail(ch, id, &e);
	doc_free(&asked);
}

void on_exec_wait(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct exec_wait *m = msg;
	struct ctr *c = session_ctr(self, ch, id, m->ref);
	struct exec *x = c ? exec_find(c, m->exec) : NULL;
	struct err e;

	(void)f;
	if (!c)
		return;
	if (!x) {
		err_set(&e, ENOENT, "no such exec: %u", m->exec);
		chan_fail(ch, id, &e);
		return;
	}
	wait_add(c, ch, id, WAIT_EXIT, x->number, false);
	if (!x->ended)
		return;
	wait_notify(c, WAIT_EXIT, x->number);
	exec_drop(c, x);
}
