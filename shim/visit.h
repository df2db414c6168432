/* SPDX-License-Identifier: MIT */
/*
 * Visits: what the engine does inside a container by its own code and not by the container's (top,
 * export, both ways of cp). A visit is an exec, or the first process of a container that does not
 * run, that ends in a function of ours instead of execve: in the container's namespaces and cgroup,
 * as root there with the few capabilities of its row, without a descriptor but its streams and the
 * container's root, behind a filter that knows no execve, no open but openat2, no socket.
 *
 * It answers on its stdout. A failure is one sentence on its stderr, and exit code 1.
 */
#pragma once

#include "process.h"

struct visit;

struct visit_row {
	const char *name;
	uint32_t args; /* words behind the name, exactly */
	uint64_t caps;
	unsigned int calls; /* enum visit_calls: rows of the filter */
	bool alone;	    /* sees the root file system alone: nothing that is mounted in it */
	int (*run)(const struct visit *v, struct err *e);
};

struct visit {
	const struct visit_row *row;
	const char *const *args;
	int root; /* the world of every path: what inroot.h calls root */
};

/* Before privilege goes: finds the row and opens the root, chooses what process_run keeps. */
int visit_begin(struct process *p, struct visit *ret, struct err *e);

/* Never returns; all that it does not own is closed, and the shim thereby told that it runs. */
_noreturn_ void visit_run(struct visit *v);

/* visit_rows.c: the system calls that a visit may make, data only; ends with PRIV_SYS_END. */
enum visit_calls { VISIT_COMMON = 1, VISIT_READ = 2, VISIT_WRITE = 4 };
struct priv_syscall;
extern const struct visit_calls_row {
	unsigned int calls;
	const struct priv_syscall *rows;
} visit_calls[]; /* ends with {0} */

/* visit_filter.c: what is in none of the rows kills the process. */
int visit_filter(unsigned int calls, struct err *e);

/* visit_top.c: a line a process, tabs between uid or user, pid, ppid, C, start (seconds since
 * 1970), terminal, seconds of processor time, command. */
int visit_top(const struct visit *v, struct err *e);

/* visit_copy.c */
int visit_export(const struct visit *v, struct err *e);
int visit_copy_out(const struct visit *v, struct err *e);
int visit_copy_in(const struct visit *v, struct err *e);
