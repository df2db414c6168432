/* SPDX-License-Identifier: MIT */
/*
 * Privilege profiles: each program has one profile.c of data only, a reason per row, and enters it
 * once its privileged descriptors are open. Order: groups, gid, uid, capabilities, no_new_privs,
 * rlimits; then the proof: root can't be regained and /proc/self/status shows what the profile
 * says; then, by sandbox.h, files and system calls. Entering is all or nothing: a program whose
 * priv_enter fails must exit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "err.h"

struct priv_cap {
	int cap; /* CAP_… */
	const char *reason;
};
struct priv_rlimit {
	int resource; /* RLIMIT_… ; lowered to value, never raised */
	uint64_t value;
	const char *reason;
};

/* A system call that may be made: always, or when (arguments[arg] & mask) == value. Rows of one
 * number add up. With `error` it is answered with that errno instead. */
struct priv_syscall {
	int nr; /* __NR_… */
	const char *reason;
	bool tested;
	unsigned int arg;
	uint64_t mask, value;
	int error;
};
/* clang-format off */
#define PRIV_SYS(name, why) {.nr = __NR_##name, .reason = (why)}
#define PRIV_SYS_IF(name, argument, bits, is, why)                                                 \
	{.nr = __NR_##name, .reason = (why), .tested = true, .arg = (argument), .mask = (bits),    \
		.value = (is)}
#define PRIV_SYS_ERRNO(name, code, why) {.nr = __NR_##name, .reason = (why), .error = (code)}
#define PRIV_SYS_END {.nr = -1}
/* clang-format on */
#define PRIV_INT 0xffffffffULL /* the mask of an int: the kernel ignores the rest */

enum priv_access {
	PRIV_READ = 1,	  /* read files, list directories */
	PRIV_WRITE = 2,	  /* write and truncate existing files */
	PRIV_MAKE = 4,	  /* make, rename and remove files and directories */
	PRIV_RMDIR = 8,	  /* remove directories, no more */
	PRIV_DEVICE = 16, /* ioctl on device files */
	PRIV_LINK = 32,	  /* make symbolic links and FIFOs */
};
struct priv_path {
	const char *path;    /* with all below it; ":name" is a place (sandbox.h) */
	unsigned int access; /* enum priv_access */
	const char *reason;
};

/* What Landlock takes away from everybody unless said otherwise. */
enum priv_may {
	PRIV_TCP_CONNECT = 1,
	PRIV_TCP_BIND = 2,
	PRIV_SIGNAL = 4, /* processes outside of the sandbox */
	PRIV_MOUNT = 8,	 /* Landlock of files refuses every mount: it is left out */
};

struct priv_profile {
	const char *program;
	const char *user;	     /* installed name of its user; NULL: stays uid 0 */
	uint32_t fallback_uid;	     /* when that user does not exist: a build tree needs nothing
					installed */
	bool dumpable;		     /* false: PR_SET_DUMPABLE 0 */
	bool new_privs;		     /* true: no_new_privs stays off, since children inherit it */
	const struct priv_cap *caps; /* kept; ends with {-1} ; NULL: none */
	const struct priv_rlimit *rlimits;   /* ends with {-1}; NULL: none */
	const struct priv_syscall *syscalls; /* beyond sandbox.h's common ones; NULL: no filter */
	const struct priv_syscall *also;     /* more of them; may be NULL */
	const struct priv_path *paths;	     /* reached by name; ends with {NULL}; NULL: none */
	unsigned int may;		     /* enum priv_may */
};

/* The uid and gid of the profile on this host (user's own group). */
void priv_ids(const struct priv_profile *p, uid_t *ret_uid, gid_t *ret_gid);

/* uid and gid as given (see priv_ids). Logs the proof at debug level. When the process is not root
 * and asks for its own uid, drops what there is to drop (runs of helpers by ordinary users in
 * tests). */
int priv_enter(const struct priv_profile *p, uid_t uid, gid_t gid, struct err *e);

/* What the kernel says of the caller must be what the profile says, and there must be no way back
 * to root. Part of priv_enter; for programs that drop in two steps. */
int priv_prove(const struct priv_profile *p, uid_t uid, struct err *e);

/* Drops every capability, for good, of the calling thread; keeps the uid. */
int priv_drop_all(struct err *e);
