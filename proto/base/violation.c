/* SPDX-License-Identifier: MIT */
/*
 * The handler of SIGSYS; see violation.h. Runs in every process behind a filter; in the handler,
 * nothing but write(2).
 */
#include "violation.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct violation_names *names;
static const char *program;

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

	if (info->si_arch != names->arch)
		return "of a foreign architecture";
	return nr < VIOLATION_CALLS && names->at[nr] ? names->text + names->at[nr]
						     : "without a name";
}

/* SA_RESETHAND has put the default back already, and what no profile allows is the way to it: the
 * kernel forces that signal upon the process, whatever it blocks or ignores. */
static void on_violation(int sig, siginfo_t *info, void *context)
{
	struct line l = {.n = 0};

	(void)sig;
	(void)context;
	add(&l, program);
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

int violation_catch(const char *who, const struct violation_names *known, struct err *e)
{
	struct sigaction a = {.sa_sigaction = on_violation};

	program = who;
	names = known;
	a.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
	if (sigaction(SIGSYS, &a, NULL) < 0)
		return err_errno(e, errno, "catching SIGSYS");
	return 0;
}

int violation_prove(struct err *e)
{
	if (prctl(PR_GET_SECCOMP) != 2)
		return err_set(e, EPERM, "no system call filter is in force");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_set(e, EPERM, "no_new_privs is not set");
	return 0;
}
