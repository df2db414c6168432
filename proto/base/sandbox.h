/* SPDX-License-Identifier: MIT */
/*
 * The sandbox: the last steps of entering a profile. Landlock bounds which files can be reached by
 * name, whom sockets and signals reach; then a seccomp filter allows the profile's system calls and
 * those that the C library, log, loop and channels make. A violation writes one line to the log,
 * `netd: error: system call openat (257) is not allowed: ending`, and the process dies of SIGSYS.
 *
 * Builds under sanitizers, whose runtime needs files and calls of its own, go without and say so.
 */
#pragma once

#include "priv.h"
#include "violation.h"

#ifdef BULKHEAD_SANITIZED
#define SANDBOX_OFF true
#else
#define SANDBOX_OFF false
#endif

#define SANDBOX_MISSING 160

/* What a row with the path ":name" stands for; several may have one name. A name of NULL ends. */
struct sandbox_place {
	const char *name;
	int fd; /* O_PATH will do; borrowed. Negative: skipped */
};

/* Both steps, for good, of the whole process; call after priv_enter, while it has one thread. With
 * `debug` what its user names on a line of text must be opened, as /proc/PID/ns/net: system calls
 * for that are added, and Landlock, which would hide other processes, is left out. Paths that don't
 * exist are skipped. Logs what Landlock lacks here. */
int sandbox_enter(const struct priv_profile *p, const struct sandbox_place *places, bool debug,
	struct err *e);

/* The two by themselves, for a program that has to do something between. The filter goes to all
 * threads, the rest to the caller and to threads that it starts later. */
int sandbox_paths(const struct priv_profile *p, const struct sandbox_place *places, bool debug,
	struct err *e);
int sandbox_syscalls(const struct priv_profile *p, bool debug, struct err *e);

/* For a program without libseccomp, the shim: the filter as instructions, and the names; tgkill of
 * abort(3) is not in it, since that names the process. */
int sandbox_write(const struct priv_profile *p, bool debug, int fd, struct err *e);
void sandbox_names(struct violation_names *ret);

/* sandbox_paths.c: Landlock alone, as far as this kernel knows it, neither proved nor logged. What
 * it doesn't know is named in missing. *ret_files: whether files are bounded. */
int sandbox_landlock(const struct priv_profile *p, const struct sandbox_place *places,
	char missing[SANDBOX_MISSING], bool *ret_files, struct err *e);

/* sandbox_rows.c */
extern const struct priv_syscall sandbox_common[], sandbox_debug[];
