/* SPDX-License-Identifier: MIT */
/*
 * The two local sides of cp (side.h): files of the caller's into a pipe, and what comes out of a
 * container's pipe into files of the caller's.
 */
#pragma once

#include "priv_profiles.h"
#include "tree.h"

/* Packs what is there into the pipe; reads nothing that a container wrote. */
struct copy_pack {
	struct tree_place from;
	const char *as;
	int to;
};
int copy_pack(void *arg, int verdict, struct err *e);

/* stdin, any kind of tar archive, perhaps compressed, into the pipe as pax.h has it. Reads it
 * without capabilities and files. */
struct copy_feed {
	int to;
};
int copy_feed(void *arg, int verdict, struct err *e);

/* Unpacks the pipe. A process below the side reads it, without capabilities, behind Landlock for
 * the one directory that it fills, and a filter. With `archive` a second one gives files away for
 * it. */
struct copy_unpack {
	int from;
	const char *path; /* as the caller has it */
	const struct tree_target *target;
	bool archive; /* keep uid and gid */
};
int copy_unpack(void *arg, int verdict, struct err *e);

/* copy_give.c: a process of CAP_CHOWN, if the caller is root, and nothing else, which reads no byte
 * of a container's: whoever has *ret_sock sends it numbers and open files. It ends with the last
 * of them. */
int copy_give_start(pid_t *ret_pid, int *ret_sock, struct err *e);
/* As tree_unpack_options.give; ctx: the socket. */
int copy_give(void *ctx, int fd, uid_t uid, gid_t gid);
