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
	event_tell(c, "exec_die", "exitCode=%" PRIu32, exit_code);
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
};

static void on_execed(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct shim_execed *m = msg;
	struct relay *r = arg;
	struct request *q = r->data;
	struct container_execed answer = {.exec = q->number, .pid = m ? m->pid : 0};
	struct ctr *c = ctr_by_id(r->engine, q->ctr);

	(void)f;
	if (!e && c)
		event_tell(c, "exec_start", "execID=%" PRIu32, q->number);
	if (e && c) {
		wait_fail(c, WAIT_EXIT, q->number, e);
		exec_forget(c, q->number);
	}
	free(q);
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

static struct relay *begin(struct ctr *c, struct chan *ch, uint32_t id)
{
	struct relay *r = relay_new(c->engine, ch, id);
	struct request *q = calloc(1, sizeof(*q));
	struct exec *x = calloc(1, sizeof(*x));

	if (!q || !x) {
		log_error("out of memory");
		abort();
	}
	memcpy(q->ctr, c->id, sizeof(q->ctr));
	q->number = x->number = c->next_exec++;
	x->next = c->execs;
	c->execs = x;
	r->data = q;
	return r;
}

static int ask_shim(struct ctr *c, struct chan *ch, uint32_t id, const struct container_exec *m,
	const struct exec_spec *asked, struct err *e)
{
	_cleanup_fd_ int spec = seal(asked, e);
	struct relay *r;

	MSG_DECLARE(shim_exec, x);
	if (spec < 0)
		return spec;
	r = begin(c, ch, id);
	x.exec = ((const struct request *)r->data)->number;
	x.spec = spec;
	x.in = m->in;
	x.out = m->out;
	x.err = m->err;
	chan_request(c->shim->chan, MSG_shim_exec, &x, SHIM_MS, on_execed, r);
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
	r = begin(c, ch, id);
	number = ((const struct request *)r->data)->number;
	free(TAKE_PTR(r->data));
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
		r = runs ? ask_shim(c, ch, id, m, x, &e) : visit(c, ch, id, m, &asked, f, &e);
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
