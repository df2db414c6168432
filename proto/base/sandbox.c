/* SPDX-License-Identifier: MIT */
/*
 * The system call filter; see sandbox.h. Runs in every daemon at the end of its start. Owns the
 * handler of SIGSYS and the names it needs: whoever has met a forbidden call can't ask libseccomp
 * any more.
 */
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"

#define CALLS_MAX  1024 /* one more than the highest number */
#define NAMES_SIZE 32768

/* A page of its own, read-only once it is filled. */
struct names {
	char program[32];
	uint16_t at[CALLS_MAX]; /* into text; 0: no such call */
	char text[NAMES_SIZE - 32 - CALLS_MAX * sizeof(uint16_t)];
};

static const struct names *names;

static int names_make(const char *program, struct err *e)
{
	struct names *n =
		mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t used = 1;

	if (n == MAP_FAILED)
		return err_errno(e, errno, "memory for the names of system calls");
	strncpy(n->program, program, sizeof(n->program) - 1);
	for (int i = 0; i < CALLS_MAX; i++) {
		_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
		size_t len = name ? strlen(name) + 1 : 0;

		if (!name || used + len > sizeof(n->text))
			continue;
		n->at[i] = (uint16_t)used;
		memcpy(n->text + used, name, len);
		used += len;
	}
	mprotect(n, sizeof(*n), PROT_READ);
	names = n;
	return 0;
}

/* ---- in the handler: nothing but write(2) ---- */

struct line {
	char text[160];
	size_t n;
};

static void add(struct line *l, const char *s)
{
	while (*s && l->n < sizeof(l->text))
		l->text[l->n++] = *s++;
}

static void add_number(struct line *l, unsigned int v)
{
	char digits[12];
	unsigned int i = sizeof(digits) - 1;

	digits[i] = '\0';
	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	add(l, digits + i);
}

static const char *name_of(const siginfo_t *info)
{
	unsigned int nr = (unsigned int)info->si_syscall;

	if (info->si_arch != seccomp_arch_native())
		return "of a foreign architecture";
	return nr < CALLS_MAX && names->at[nr] ? names->text + names->at[nr] : "without a name";
}

/* SA_RESETHAND has put the default back already, and what no profile allows is the way to it: the
 * kernel forces that signal upon the process, whatever it blocks or ignores. */
static void on_violation(int sig, siginfo_t *info, void *context)
{
	struct line l = {.n = 0};

	(void)sig;
	(void)context;
	add(&l, names->program);
	add(&l, ": error: system call ");
	add(&l, name_of(info));
	add(&l, " (");
	add_number(&l, (unsigned int)info->si_syscall);
	add(&l, ") is not allowed: ending\n");
	if (write(STDERR_FILENO, l.text, l.n) < 0)
		l.n = 0; /* nobody is left to tell */
	for (;;)
		syscall(__NR_kexec_load, 0, 0, NULL, 0);
}

static int catch_violations(struct err *e)
{
	struct sigaction a = {.sa_sigaction = on_violation};

	a.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
	if (sigaction(SIGSYS, &a, NULL) < 0)
		return err_errno(e, errno, "catching SIGSYS");
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
	r = add_self(ctx, e);
	if (r == 0)
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
	if (r < 0)
		return r;
	r = seccomp_load(ctx);
	return r < 0 ? err_errno(e, r, "loading the filter") : 0;
}

/* By prctl, since /proc is out of reach by now. */
static int prove(struct err *e)
{
	if (prctl(PR_GET_SECCOMP) != 2)
		return err_set(e, EPERM, "no system call filter is in force");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_set(e, EPERM, "no_new_privs is not set");
	return 0;
}

int sandbox_syscalls(const struct priv_profile *p, bool debug, struct err *e)
{
	int r;

	if (SANDBOX_OFF) {
		log_line(debug ? LOG_DEBUG : LOG_WARN,
			"a sanitizer build: neither Landlock nor a system call filter");
		return 0;
	}
	if (!p->syscalls)
		return 0;
	r = names_make(p->program, e);
	if (r == 0)
		r = catch_violations(e);
	if (r == 0)
		r = load(p, debug, e);
	if (r == 0)
		r = prove(e);
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
