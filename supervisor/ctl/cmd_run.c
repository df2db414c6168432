/* SPDX-License-Identifier: MIT */
/*
 * run and create. Everything that the caller's rights are needed for happens first; then the engine
 * is reached, capabilities are dropped, and the rest is talk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"
#include "command.h"
#include "pull.h"
#include "run_options.h"
#include "streams.h"

struct cidfile {
	const char *path; /* NULL: none */
	int fd;
	bool kept;
};

static int cidfile_open(struct cidfile *f, const char *path, struct err *e)
{
	f->path = path;
	if (!path)
		return 0;
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (f->fd >= 0)
		return 0;
	f->path = NULL;
	if (errno == EEXIST)
		return err_set(e, EEXIST, "--cidfile %.160s exists: remove it first", path);
	return err_errno(e, errno, "--cidfile %.160s", path);
}

static int cidfile_write(struct cidfile *f, const char *id, struct err *e)
{
	int r;

	if (!f->path)
		return 0;
	f->kept = true;
	r = fd_write_all(f->fd, id, strlen(id));
	return r < 0 ? err_errno(e, r, "--cidfile %.160s", f->path) : 0;
}

static void cidfile_close(struct cidfile *f)
{
	if (f->path && !f->kept)
		unlink(f->path);
	fd_close(&f->fd);
}

static int pull_for(struct ctl *c, const struct run_options *o, const char *image,
	const char *policy, struct err *e)
{
	const struct pull p = {image, o->platform, policy, o->quiet};
	_cleanup_incoming_ struct incoming in = {0};

	return pull_image(c, &p, &in, e);
}

static int send_create(struct ctl *c, struct run_plan *p, struct incoming *in, struct err *e)
{
	MSG_DECLARE(container_create, m);
	_cleanup_fd_ int options = client_seal(&schema_create, &p->create, e);

	if (options < 0)
		return options;
	m.options = options;
	m.sources = (struct fdv){p->sources, p->n_sources};
	m.rootfs = p->rootfs;
	m.filter = p->filter;
	return client_call(&c->engine, MSG_container_create, &m, CLIENT_DEADLINE, in, e);
}

/* An image that is here may be another platform's than the one asked for; nothing would say so
 * later. */
static int check_image(struct ctl *c, const struct run_options *o, const char *image, struct err *e)
{
	const struct image_inspect m = {.ref = image};
	_cleanup_incoming_ struct incoming in = {0};
	const struct image_config *k;
	char have[140];
	size_t n;
	int r = client_call(&c->engine, MSG_image_inspect, &m, CLIENT_DEADLINE, &in, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	k = in.msg.image.image->config;
	n = (size_t)snprintf(have, sizeof(have), "%s/%s", k && k->os ? k->os : "",
		k && k->architecture ? k->architecture : "");
	if (strncmp(o->platform, have, n) == 0 && (o->platform[n] == '/' || !o->platform[n]))
		return 0;
	return err_set(e, ENOEXEC, "image %.120s is here for %.64s, not for %s; use --pull always",
		image, have, o->platform);
}

/* Asks at once: mostly the image is there. Returns the new id in the arena. */
static int create(struct ctl *c, const struct run_options *o, struct run_plan *p,
	const char **ret_id, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	int r = 0;

	if (p->image && o->pull && strcmp(o->pull, "always") == 0)
		r = pull_for(c, o, p->image, "always", e);
	else if (p->image && o->platform)
		r = check_image(c, o, p->image, e);
	if (r == 0)
		r = send_create(c, p, &in, e);
	if (r == -ENOENT && p->image && (!o->pull || strcmp(o->pull, "missing") == 0)) {
		frame_free(&in.frame);
		r = pull_for(c, o, p->image, "missing", e);
		if (r == 0)
			r = send_create(c, p, &in, e);
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < in.msg.created.warnings.n; i++)
		fprintf(stderr, "ctl: %s: warning: %s\n", c->command, in.msg.created.warnings.v[i]);
	*ret_id = arena_strdup(&c->arena, in.msg.created.id);
	return *ret_id ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int prepare(struct ctl *c, struct run_options *o, const struct strv *operands,
	struct cidfile *cid, struct run_plan *p, const char **ret_id, struct err *e)
{
	int r;

	cid->fd = -1;
	r = run_plan(o, operands, &c->arena, p, e);
	if (r == 0)
		r = cidfile_open(cid, o->cidfile, e);
	if (r == 0)
		r = ctl_connect(c, e);
	if (r == 0)
		r = create(c, o, p, ret_id, e);
	if (r == 0)
		r = cidfile_write(cid, *ret_id, e);
	cidfile_close(cid);
	return r;
}

static bool attaches(const struct run_options *o, const char *stream)
{
	for (uint32_t i = 0; i < o->attach.n; i++)
		if (strcasecmp(o->attach.v[i], stream) == 0)
			return true;
	return o->attach.n == 0;
}

/* A container that did not start is of use to nobody after `run --rm`. */
static void remove_unstarted(struct ctl *c, const char *id)
{
	const struct container_remove m = {.ref = id, .force = true};
	_cleanup_incoming_ struct incoming in = {0};

	(void)client_call(&c->engine, MSG_container_remove, &m, CLIENT_DEADLINE, &in, NULL);
}

static int start_detached(struct ctl *c, const char *id, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	MSG_DECLARE(container_start, m);

	m.ref = id;
	return client_call(&c->engine, MSG_container_start, &m, CLIENT_START, &in, e);
}

/* The wait is sent before the start: however short the workload's life and however long ctl is kept
 * from running, its end is not missed. */
static int start_attached(struct ctl *c, const struct run_options *o, const char *id,
	struct streams *s, uint32_t *ret_wait, struct err *e)
{
	const struct container_wait wait = {.ref = id, .removed = o->rm, .last = !o->rm};
	_cleanup_incoming_ struct incoming in = {0};
	MSG_DECLARE(container_start, m);
	uint32_t start;
	int r;

	m.ref = id;
	m.in = s->far_in;
	m.out = s->far_out;
	m.err = s->far_err;
	if (o->tty)
		tty_size(STDIN_FILENO, &m.rows, &m.cols);
	r = streams_begin(s, e);
	if (r == 0)
		r = client_send(&c->engine, MSG_container_wait, &wait, ret_wait, e);
	if (r == 0)
		r = client_send(&c->engine, MSG_container_start, &m, &start, e);
	if (r == 0)
		r = client_await(&c->engine, start, MSG_container_started, CLIENT_START, &in, e);
	streams_sent(s);
	return r;
}

static int run_attached(struct ctl *c, const struct run_options *o, const char *id, struct err *e)
{
	const struct streams_setup setup = {.in = o->interactive,
		.out = attaches(o, "stdout"),
		.err = attaches(o, "stderr"),
		.tty = o->tty,
		.proxy = !o->no_proxy,
		.detach_keys = o->detach_keys};
	const struct workload w = {.ref = id};
	_cleanup_streams_ struct streams s = STREAMS_NONE;
	uint32_t wait, code;
	int r;

	r = streams_open(&s, &setup, e);
	if (r == 0)
		r = start_attached(c, o, id, &s, &wait, e);
	if (r < 0) {
		if (o->rm)
			remove_unstarted(c, id);
		return r;
	}
	r = streams_run(&s, &c->engine, &w, wait, &code, e);
	return r < 0 ? r : (int)code;
}

static int check_terminal(const struct run_options *o, struct err *e)
{
	if (!o->detach && o->tty && o->interactive && !isatty(STDIN_FILENO))
		return err_set(e, ENOTTY, "-t with -i needs a terminal as stdin: leave -t out");
	return 0;
}

static int cmd_run(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	_cleanup_plan_ struct run_plan p = {.rootfs = -1};
	struct run_options *o = options;
	struct cidfile cid = {0};
	const char *id;
	int r;

	c->object = o->name;
	o->interactive = o->interactive || (o->attach.n > 0 && attaches(o, "stdin"));
	r = check_terminal(o, e);
	if (r == 0)
		r = prepare(c, o, operands, &cid, &p, &id, e);
	if (r < 0)
		return r;
	if (!o->detach)
		return run_attached(c, o, id, e);
	r = start_detached(c, id, e);
	if (r < 0 && o->rm)
		remove_unstarted(c, id);
	if (r == 0)
		puts(id);
	return r;
}

static int cmd_create(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	_cleanup_plan_ struct run_plan p = {.rootfs = -1};
	struct run_options *o = options;
	struct cidfile cid = {0};
	const char *id;
	int r;

	c->object = o->name;
	if (o->detach)
		return err_set(e, EINVAL, "-d is for run: create starts nothing");
	r = prepare(c, o, operands, &cid, &p, &id, e);
	if (r == 0)
		puts(id);
	return r;
}

const struct command command_run = {"run", "IMAGE [COMMAND [ARG…]]",
	"Make a container and start it", run_flags, sizeof(struct run_options), 0, UINT32_MAX, true,
	EXIT_ENGINE, cmd_run};
const struct command command_create = {"create", "IMAGE [COMMAND [ARG…]]", "Make a container",
	run_flags, sizeof(struct run_options), 0, UINT32_MAX, true, EXIT_ENGINE, cmd_create};
