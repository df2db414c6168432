/* SPDX-License-Identifier: MIT */
/*
 * Privilege profiles: each program has one profile.c of data only, a reason per row, and enters it
 * once its privileged descriptors are open. Order: groups, gid, uid, capabilities, no_new_privs,
 * rlimits; then the proof: root can't be regained and /proc/self/status shows what the profile
 * says. Entering is all or nothing: a program whose priv_enter fails must exit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
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
struct priv_profile {
	const char *program;
	const char *user;	     /* installed name of its user; NULL: stays uid 0 */
	uint32_t fallback_uid;	     /* when that user does not exist: a build tree needs nothing
					installed */
	bool dumpable;		     /* false: PR_SET_DUMPABLE 0 */
	bool new_privs;		     /* true: no_new_privs stays off, since children inherit it */
	const struct priv_cap *caps; /* kept; ends with {-1} ; NULL: none */
	const struct priv_rlimit *rlimits; /* ends with {-1}; NULL: none */
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
