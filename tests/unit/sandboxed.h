/* SPDX-License-Identifier: MIT */
/*
 * A child in a profile's real sandbox that makes one system call; how it ended and what it said.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"

/* A program with a sandbox of its own making says which. */
#ifndef SANDBOX_ENTER
#define SANDBOX_ENTER sandbox_enter
#endif

struct call {
	int nr;
	long args[6];
};

#define CALL(name, ...)                                                                            \
	{                                                                                          \
		__NR_##name,                                                                       \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define CALL_END                                                                                   \
	{                                                                                          \
		-1,                                                                                \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

struct ending {
	int status; /* waitpid's */
	char said[512];
};

/* Exits with 0 when the call was made, whatever came of it, and with its errno when `tell`. */
_noreturn_ static inline void sandboxed_child(const struct priv_profile *p,
	const struct sandbox_place *places, bool debug, const struct call *c, bool tell, int said)
{
	const long *a = c->args;
	struct err e = {0};
	long r;

	log_open("test", LOG_ERROR);
	dup2(said, STDERR_FILENO);
	if (SANDBOX_ENTER(p, places, debug, &e) < 0) {
		log_error("%s", e.text);
		_exit(255);
	}
	r = c->nr < 0 ? 0 : syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	_exit(tell && r < 0 ? errno : 0);
}

static inline struct ending sandboxed(const struct priv_profile *p,
	const struct sandbox_place *places, bool debug, const struct call *c, bool tell)
{
	struct ending end = {0};
	int said[2];
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0)
		sandboxed_child(p, places, debug, c, tell, said[1]);
	assert_true(pid > 0);
	close(said[1]);
	while ((n = read(said[0], end.said + strlen(end.said),
			sizeof(end.said) - 1 - strlen(end.said))) > 0)
		;
	close(said[0]);
	assert_int_equal(waitpid(pid, &end.status, 0), pid);
	return end;
}

/* Killed by SIGSYS, with one line that names the call. */
static inline void assert_violation(const struct priv_profile *p, bool debug, const struct call *c)
{
	struct ending end = sandboxed(p, NULL, debug, c, false);
	_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, c->nr);
	char want[200];

	snprintf(want, sizeof(want), "%s: error: system call %s (%d) is not allowed: ending\n",
		p->program, name ? name : "without a name", c->nr);
	if (!WIFSIGNALED(end.status) || WTERMSIG(end.status) != SIGSYS)
		print_message("%s: %s (%d) ended with %x\n", p->program, name, c->nr, end.status);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGSYS);
	assert_string_equal(end.said, want);
}

static inline void assert_violations(const struct priv_profile *p, const struct call *calls)
{
	for (; calls->nr >= 0; calls++)
		assert_violation(p, false, calls);
}

/* What the call answers inside: 0, or its errno. */
static inline int sandboxed_errno(
	const struct priv_profile *p, const struct sandbox_place *places, const struct call *c)
{
	struct ending end = sandboxed(p, places, false, c, true);

	assert_string_equal(end.said, "");
	assert_true(WIFEXITED(end.status));
	return WEXITSTATUS(end.status);
}

static inline bool has_row(const struct priv_syscall *s, int nr)
{
	for (; s->nr >= 0; s++)
		if (s->nr == nr)
			return true;
	return false;
}

/* Every number that has no row, known to this machine or not. Filters don't see 335 and 336, by
 * which the kernel's own probes return; made by anybody else they end in SIGILL (Linux 6.14). */
static inline void assert_nothing_else(const struct priv_profile *p)
{
	for (int nr = 0; nr < 480; nr++) {
		const struct call c = {nr, {-1, -1, -1, -1, -1, -1}};

		if (has_row(sandbox_common, nr) || has_row(p->syscalls, nr) || nr == __NR_tgkill ||
			nr == 335 || nr == 336)
			continue;
		assert_violation(p, false, &c);
	}
}

/* What no daemon may do. SIGSYS stays caught: its handler is the one who tells. */
static inline void assert_never(const struct priv_profile *p)
{
	static const struct call calls[] = {CALL(execve), CALL(execveat, -1), CALL(fork),
		CALL(vfork), CALL(clone, SIGCHLD), CALL(ptrace), CALL(process_vm_writev),
		CALL(seccomp), CALL(bpf), CALL(kexec_load), CALL(init_module), CALL(io_uring_setup),
		CALL(userfaultfd), CALL(setresuid), CALL(setns, -1), CALL(unshare),
		CALL(personality), CALL(keyctl), CALL(rt_sigaction, SIGSYS),
		CALL(mmap, 0, 4096, 4 /* PROT_EXEC */, 0x22, -1), CALL(mprotect, 0, 0, 4),
		CALL(tgkill, 1, 1, SIGTERM), CALL(prctl, 15), CALL(fcntl, 0, F_SETOWN, 1),
		CALL(fcntl, 0, F_SETSIG, SIGKILL), CALL_END};

	for (const struct call *c = calls; c->nr >= 0; c++)
		if (c->nr != __NR_mmap || !has_row(p->syscalls, c->nr)) /* there: an errno */
			assert_violation(p, false, c);
}

/* The main of such a test file. Builds under sanitizers have no sandbox to try. */
static inline int sandbox_tests(const struct CMUnitTest *tests, size_t n)
{
#ifdef BULKHEAD_SANITIZED
	(void)tests;
	printf("1..1\nok 1 - sandbox # SKIP a sanitizer build has none\n");
	return n == 0;
#else
	return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
#endif
}
#define SANDBOX_TESTS(...)                                                                         \
	int main(void)                                                                             \
	{                                                                                          \
		const struct CMUnitTest tests[] = {__VA_ARGS__};                                   \
                                                                                                   \
		return sandbox_tests(tests, ARRAY_LEN(tests));                                     \
	}
