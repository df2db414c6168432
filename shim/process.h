/* SPDX-License-Identifier: MIT */
/*
 * Turning the calling process, root of its user namespace and inside its final root, into a
 * container's process: the workload or an exec. One function a step, in the order of process_run.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "filter.h"
#include "messages.h"

#define PROCESS_GROUPS_MAX  256
#define PROCESS_RLIMITS_MAX 16

struct process_rlimit {
	int resource;
	struct rlimit value;
};

/* What a process is to be; pointers are borrowed. */
struct process {
	const char *visit; /* NULL, or what of our own it is to do: visit.h */
	struct strv argv, env, group_add;
	const char *cwd, *user;
	uint64_t caps;
	bool new_privs, tty, stdin_open, init;
	bool joined; /* an exec */
	uint32_t umask;
	struct process_rlimit rlimits[PROCESS_RLIMITS_MAX];
	unsigned int n_rlimits;
	uint16_t rows, cols;
	int filter;	  /* sealed memfd of its seccomp filter, or -1 */
	int in, out, err; /* to become 0, 1 and 2 as they are; -1: pipes or a terminal are made */
};

/* What it is done with. */
struct process_tools {
	int sock;     /* to the shim */
	int null;     /* stdin when there is none */
	int pts;      /* root of the container's devpts */
	bool console; /* the terminal is also mounted on /dev/console */
	int console_target;
	const int *extra; /* descriptors to send along with the streams */
	uint32_t n_extra;
};

/* Names of --ulimit to RLIMIT_…; the sentence names what is unknown. */
int process_rlimits(const struct ulimit *v, uint32_t n, struct process *ret, struct err *e);

/* Returns only on failure, or in the init when the workload has ended (never). */
int process_run(struct process *p, struct process_tools *t, struct err *e);

/* ids.c */
struct process_ids {
	uint32_t uid, gid;
	uint32_t groups[PROCESS_GROUPS_MAX];
	size_t n_groups;
	char home[1025];
};
int ids_resolve(const struct process *p, struct process_ids *ret, struct err *e);
int ids_become(const struct process *p, const struct process_ids *ids, struct err *e);
/* A regular file of at most 1 MiB, reached over no link. */
int ids_read_file(int root, const char *path, char **ret, size_t *ret_n, struct err *e);

/* execute.c: the filter, then execve, found along PATH of the environment when argv[0] has no
 * slash. Returns on failure. */
int execute(const struct strv *argv, const struct strv *env, const char *home,
	const struct sock_fprog *filter, struct err *e);

/* init.c: forks; the child returns, the parent takes the filter, reaps for ever and ends as the
 * child does. */
int init_fork(const struct sock_fprog *filter, struct err *e);
