/* SPDX-License-Identifier: MIT */
/*
 * From rows to filters; see seccomp.h. Two programs in one: the rows that look at an argument, and
 * behind them those that don't. libseccomp can't say "this call unless" in one list.
 */
#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/keep.h"
#include "bpf.h"
#include "resolve.h"
#include "seccomp_rows.h"

#define UNCONFINED   "unconfined"
#define OWN_MAX	     (BPF_MAX * sizeof(struct sock_filter))
#define KEPT_MAX     32
#define NAME_MAX_LEN 64

struct filter {
	struct filter *next;
	uint64_t caps;
	int fd;
};

static uint32_t action(int error)
{
	return error ? SCMP_ACT_ERRNO((uint32_t)error) : SCMP_ACT_ALLOW;
}

/* Capabilities that some row asks for. */
static uint64_t asked(void)
{
	uint64_t caps = 0;

	for (const struct seccomp_row *w = seccomp_rows; w->names; w++)
		caps |= w->opened_by;
	for (const struct seccomp_arg_row *w = seccomp_arg_rows; w->name; w++)
		caps |= w->with | w->without;
	return caps;
}

static int number_of(const char *name, int *ret, struct err *e)
{
	*ret = bpf_syscall(name);
	return *ret == BPF_UNKNOWN
		       ? err_set(e, ENOSYS, "the default filter names \"%s\", which nobody knows",
				 name)
		       : 0;
}

static int add_arg_row(scmp_filter_ctx rules, const struct seccomp_arg_row *w, struct err *e)
{
	int nr, r = number_of(w->name, &nr, e);

	if (r == 0 && nr >= 0)
		r = seccomp_rule_add(rules, action(w->error), nr, 1,
			SCMP_CMP64(w->arg, SCMP_CMP_MASKED_EQ, w->mask, w->value));
	return r < 0 && !e->code ? err_errno(e, r, "the row for %s", w->name) : r;
}

static int make_arg_rows(uint64_t caps, struct bpf *ret, struct err *e)
{
	_cleanup_rules_ scmp_filter_ctx rules = bpf_rules(BPF_NEXT);
	int r = rules ? 0 : err_set(e, ENOMEM, "out of memory");

	for (const struct seccomp_arg_row *w = seccomp_arg_rows; w->name && r == 0; w++)
		if ((!w->with || caps & w->with) && !(caps & w->without))
			r = add_arg_row(rules, w, e);
	return r < 0 ? r : bpf_make(rules, ret, e);
}

static int add_row(scmp_filter_ctx rules, uint32_t act, const char *names, struct err *e)
{
	char name[NAME_MAX_LEN];
	int r = 0, n, nr;

	for (; r == 0 && sscanf(names, " %63s%n", name, &n) == 1; names += n) {
		r = number_of(name, &nr, e);
		if (r < 0 || nr < 0)
			continue; /* of another architecture */
		r = seccomp_rule_add(rules, act, nr, 0);
		if (r < 0)
			err_errno(e, r, "the row for %s", name);
	}
	return r;
}

static int make_rows(uint64_t caps, struct bpf *ret, struct err *e)
{
	const uint32_t rest = SCMP_ACT_ERRNO(ENOSYS);
	_cleanup_rules_ scmp_filter_ctx rules = bpf_rules(rest);
	int r = rules ? 0 : err_set(e, ENOMEM, "out of memory");

	for (const struct seccomp_row *w = seccomp_rows; w->names && r == 0; w++) {
		uint32_t act = action(caps & w->opened_by ? 0 : w->error);

		if (act != rest)
			r = add_row(rules, act, w->names, e);
	}
	return r < 0 ? r : bpf_make(rules, ret, e);
}

static int make(uint64_t caps, struct err *e)
{
	_cleanup_bpf_ struct bpf args = {0}, rest = {0};
	int r = make_arg_rows(caps, &args, e);

	if (r == 0)
		r = make_rows(caps, &rest, e);
	if (r == 0)
		r = bpf_append(&args, &rest, e);
	if (r < 0)
		return err_prefix(e, "seccomp");
	log_debug("seccomp: %zu instructions for capabilities %lx", args.n, caps);
	return bpf_memfd("kept-filter", &args, e);
}

/* The list is bounded: what was used longest ago is made again if it comes back. */
static void forget_last(struct engine *g)
{
	struct filter **p = &g->filters;
	unsigned int n = 1;

	while (*p && (*p)->next) {
		p = &(*p)->next;
		n++;
	}
	if (n <= KEPT_MAX)
		return;
	fd_close(&(*p)->fd);
	free(*p);
	*p = NULL;
}

/* The descriptor stays the list's. */
static int find_or_make(struct engine *g, uint64_t caps, struct err *e)
{
	struct filter **p = &g->filters, *f;

	caps &= asked();
	while (*p && (*p)->caps != caps)
		p = &(*p)->next;
	f = *p;
	if (f) {
		*p = f->next;
	} else {
		int fd = make(caps, e);

		if (fd < 0)
			return fd;
		f = calloc(1, sizeof(*f));
		if (!f)
			abort();
		*f = (struct filter){.caps = caps, .fd = fd};
	}
	f->next = g->filters;
	g->filters = f;
	forget_last(g);
	return f->fd;
}

bool seccomp_is_own(const struct create *o)
{
	return o->seccomp && strcmp(o->seccomp, UNCONFINED) != 0;
}

static int open_dir(const struct ctr *c, struct err *e)
{
	int fd = openat(c->engine->state, c->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, errno, "state of %.12s", c->id) : fd;
}

int seccomp_keep(struct ctr *c, int fd, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_fd_ int dir = -1;
	size_t n;
	int r;

	if (fd < 0)
		return 0;
	r = fd_memfd_read(fd, OWN_MAX, &buf, &n);
	if (r < 0)
		return err_errno(e, r, "seccomp: reading the filter");
	if (n == 0 || n % sizeof(struct sock_filter) != 0)
		return err_set(e, EINVAL, "seccomp: the filter is no list of instructions");
	dir = open_dir(c, e);
	if (dir < 0)
		return dir;
	r = keep_write(dir, SECCOMP_FILE, buf, n, NULL);
	return r < 0 ? err_errno(e, r, "seccomp: keeping the filter") : 0;
}

static int open_own(const struct ctr *c, struct err *e)
{
	_cleanup_fd_ int dir = open_dir(c, e);
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;
	int r;

	if (dir < 0)
		return dir;
	r = keep_read(dir, SECCOMP_FILE, OWN_MAX, &buf, &n);
	if (r < 0)
		return err_errno(e, r, "seccomp: its filter is lost; remove and run it anew");
	r = fd_memfd_sealed("filter", buf, n);
	return r < 0 ? err_errno(e, r, "a memory file") : r;
}

/* --privileged lifts the default; a file that the user names beside it holds. */
int seccomp_open(struct ctr *c, int *ret_fd, struct err *e)
{
	const struct spec *spec = c->spec.obj;
	int fd;

	*ret_fd = -1;
	if (seccomp_is_own(ctr_create(c))) {
		*ret_fd = open_own(c, e);
		return *ret_fd < 0 ? *ret_fd : 0;
	}
	if (ctr_create(c)->privileged || ctr_create(c)->seccomp)
		return 0;
	fd = find_or_make(c->engine, spec->caps, e);
	if (fd >= 0)
		*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? fd : *ret_fd < 0 ? err_errno(e, errno, "a descriptor") : 0;
}

int seccomp_warm(struct engine *g, struct err *e)
{
	const struct create none = {0};
	uint64_t caps;
	int r = caps_resolve(&none, &caps, e);

	if (r == 0)
		r = find_or_make(g, caps, e);
	return r < 0 ? r : 0;
}
