/* SPDX-License-Identifier: MIT */
/*
 * The system call filter; see sandbox.h. Runs in every daemon at the end of its start, and for the
 * shim while it is built.
 */
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "violation.h"

void sandbox_names(struct violation_names *ret)
{
	size_t used = 1;

	ret->arch = seccomp_arch_native();
	for (int i = 0; i < VIOLATION_CALLS; i++) {
		_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
		size_t len = name ? strlen(name) + 1 : 0;

		if (!name || used + len > sizeof(ret->text))
			continue;
		ret->at[i] = (uint16_t)used;
		memcpy(ret->text + used, name, len);
		used += len;
	}
}

/* Pages of their own, read-only once they are filled. */
static int names_make(const struct violation_names **ret, struct err *e)
{
	struct violation_names *n =
		mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (n == MAP_FAILED)
		return err_errno(e, errno, "memory for the names of system calls");
	sandbox_names(n);
	mprotect(n, sizeof(*n), PROT_READ);
	*ret = n;
	return 0;
}

/* ---- the filter ---- */

static int add_row(scmp_filter_ctx ctx, const struct priv_syscall *s)
{
	struct scmp_arg_cmp test = SCMP_CMP64(s->arg, SCMP_CMP_MASKED_EQ, s->mask, s->value);
	uint32_t action = s->error ? SCMP_ACT_ERRNO((uint16_t)s->error) : SCMP_ACT_ALLOW;

	return seccomp_rule_add_array(ctx, action, s->nr, s->tested ? 1 : 0, &test);
}

static int add_rows(scmp_filter_ctx ctx, const struct priv_syscall *s, struct err *e)
{
	int r = 0;

	for (; s->nr >= 0 && r == 0; s++) {
		r = add_row(ctx, s);
		if (r < 0)
			err_errno(e, r, "system call %d in the filter", s->nr);
	}
	return r;
}

/* abort(3) sends its signal to the thread itself: to this process, then, and to no other. */
static int add_self(scmp_filter_ctx ctx, struct err *e)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, __NR_tgkill, 1,
		SCMP_A0_64(SCMP_CMP_MASKED_EQ, PRIV_INT, (scmp_datum_t)getpid()));

	return r < 0 ? err_errno(e, r, "tgkill in the filter") : 0;
}

/* Of a foreign ABI too: there is a handler to tell. */
static int fill(scmp_filter_ctx ctx, const struct priv_profile *p, bool debug, struct err *e)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	if (r < 0)
		return err_errno(e, r, "setting up the filter");
	r = add_rows(ctx, sandbox_common, e);
	if (r == 0 && debug)
		r = add_rows(ctx, sandbox_debug, e);
	if (r == 0 && p->also)
		r = add_rows(ctx, p->also, e);
	return r == 0 ? add_rows(ctx, p->syscalls, e) : r;
}

static void release(scmp_filter_ctx *ctx)
{
	seccomp_release(*ctx);
}

static int load(const struct priv_profile *p, bool debug, struct err *e)
{
	_cleanup_(release) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int r;

	if (!ctx)
		return err_set(e, ENOMEM, "out of memory");
	r = fill(ctx, p, debug, e);
	if (r == 0)
		r = add_self(ctx, e);
	if (r < 0)
		return r;
	r = seccomp_load(ctx);
	return r < 0 ? err_errno(e, r, "loading the filter") : 0;
}

int sandbox_write(const struct priv_profile *p, bool debug, int fd, struct err *e)
{
	_cleanup_(release) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int r;

	if (!ctx)
		return err_set(e, ENOMEM, "out of memory");
	r = fill(ctx, p, debug, e);
	if (r < 0)
		return r;
	r = seccomp_export_bpf(ctx, fd);
	return r < 0 ? err_errno(e, r, "writing the filter") : 0;
}

int sandbox_syscalls(const struct priv_profile *p, bool debug, struct err *e)
{
	const struct violation_names *names = NULL;
	int r;

	if (SANDBOX_OFF) {
		log_line(debug ? LOG_DEBUG : LOG_WARN,
			"a sanitizer build: neither Landlock nor a system call filter");
		return 0;
	}
	if (!p->syscalls)
		return 0;
	r = names_make(&names, e);
	if (r == 0)
		r = violation_catch(p->program, names, e);
	if (r == 0)
		r = load(p, debug, e);
	if (r == 0)
		r = violation_prove(e);
	if (r < 0)
		return err_prefix(e, "%s", p->program);
	log_debug("system calls are filtered, proved");
	return 0;
}

int sandbox_enter(
	const struct priv_profile *p, const struct sandbox_place *places, bool debug, struct err *e)
{
	int r = sandbox_paths(p, places, debug, e);

	return r < 0 ? r : sandbox_syscalls(p, debug, e);
}
