/* SPDX-License-Identifier: MIT */
/*
 * From the keeper into a running container. A joiner enters cgroup and namespaces and clones the
 * process proper; both are children of the shim, which alone reaps and tells. Neither can be dumped
 * or traced, and both hold nothing of the host but the socket on which they report.
 */
#pragma once

#include "ns.h"
#include "process.h"

#define JOIN_PROCS_MAX 14

/* What a process takes from the container that it joins. Descriptors are borrowed. */
struct join {
	int ns[NS_COUNT], pts;
	int procs[JOIN_PROCS_MAX]; /* opened cgroup.procs, see cgroup.h */
	uint32_t n_procs;
	int64_t oom_score_adj;
	int sock; /* reply.h */
};

/* A fork that is the caller's sibling: whoever cloned the caller reaps it; clone(2). */
pid_t join_fork_sibling(void);

/* Returns when the joiner is done, before the process is. Streams of *p at -2 become /dev/null.
 * 0, or -errno when nothing was cloned; later failures are told on the socket. */
int join_run(const struct join *j, struct process *p, struct err *e);
