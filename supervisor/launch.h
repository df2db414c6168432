/* SPDX-License-Identifier: MIT */
/*
 * What launcher and supervisor say to each other: frames of one fixed size on a SOCK_SEQPACKET
 * pair, numbers only. The launcher is root and parses nothing else. A descriptor may ride along
 * where noted.
 */
#pragma once

#include <stdint.h>

#include "messages.h"

enum launch_op {
	LAUNCH_SPAWN = 1,   /* to the launcher: start `role` (for a shim: slot, flags) */
	LAUNCH_STARTED = 2, /* its answer: pid, and our end of the new process's channel */
	LAUNCH_FAILED = 3,  /* its answer: status is an errno */
	LAUNCH_GONE = 4,    /* a process has ended: status as waitpid gives it; of a shim, seq 1:
			       somebody may take its place, LAUNCH_ADOPT or _HEIRLESS follows */
	LAUNCH_ADOPT = 5, /* to a supervisor that was restarted: a process that still runs, and its
			     channel; at any time: who took a dead shim's place */
	LAUNCH_ADOPTED = 6, /* no more of them; seq: LAUNCH_ANEW… */
	LAUNCH_FORGET =
		7, /* to the launcher: the channel of (role, slot, pid) is closed, drop the spare */
	LAUNCH_IDMAP = 8, /* to the launcher: a user namespace that maps host ids `uid` and `gid` to
			     the root of `slot` (idmap.h) */
	LAUNCH_IDMAPPED = 9, /* its answer: the namespace, or status is an errno; seq as asked */
	LAUNCH_KILL = 10, /* to the launcher: nothing of `slot` may run any more, no shim either */
	LAUNCH_ORPHAN = 11,   /* a process has ended whose parent, a shim, ended before it: pid and
				 status */
	LAUNCH_HEIRLESS = 12, /* nobody has taken the place of the slot's shim */
	LAUNCH_SETTLED = 13,  /* to the launcher: what is to be started with the engine will be */
};

/* What LAUNCH_ADOPTED says of the engine. */
enum {
	LAUNCH_ANEW = 1,   /* nobody has said LAUNCH_SETTLED yet */
	LAUNCH_ENDING = 2, /* it is to end */
};

/* Flags of a shim. */
enum {
	LAUNCH_HOST_NET = 1,  /* it shares the host's network namespace */
	LAUNCH_NEW_PRIVS = 2, /* its execs may gain privileges inside: no_new_privs stays off */
	LAUNCH_FLAGS = LAUNCH_HOST_NET | LAUNCH_NEW_PRIVS,
};

struct launch_frame {
	uint32_t op, role, slot, flags, seq;
	int32_t pid, status;
	uint32_t uid, gid;
};

/* What the supervisor process finds open when it starts. */
enum {
	LAUNCH_FD_CHANNEL = 3, /* launch_frames */
	LAUNCH_FD_LISTEN = 4,  /* the listening socket for ctl */
	LAUNCH_FD_STATE = 5,   /* its state directory */
	LAUNCH_FD_POLICY = 6,  /* what the configuration file says of users (policy.h) */
	LAUNCH_FD_NETWORK = 7, /* what it has to remember of the host's network (network.c) */
	LAUNCH_FD_LAST = LAUNCH_FD_NETWORK,
};

/* Sends a frame with at most one descriptor (-1: none); blocks. 0 or -errno. */
int launch_send(int fd, const struct launch_frame *f, int with_fd);
/* Receives one; *ret_fd is -1 or the caller's. 0, -EAGAIN, -ENODATA at the end, -EBADMSG. */
int launch_recv(int fd, struct launch_frame *ret, int *ret_fd);

#define SLOT_MIN  1U
#define SLOT_MAX  2047U
#define UID_RANGE 65536U
/* An engine's block of uids: slot 0's range holds the shims' own uids, slots 1…2047 the
 * containers'. */
#define UID_BLOCK (UID_RANGE * (SLOT_MAX + 1))
