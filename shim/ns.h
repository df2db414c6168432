/* SPDX-License-Identifier: MIT */
/*
 * The workload's first process, made with its namespaces in one clone3, and the id maps of its user
 * namespace; and the namespaces' descriptors, by which later processes join.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define NS_COUNT 8
#define NS_NET	 3	/* its place among them */
#define NS_IDS	 65536U /* uids and gids of a container */

struct ns_first {
	pid_t pid;
	int pidfd, userns, netns;
	int rtnl; /* a netlink socket of its network, which it has opened; -1: not yet */
	int sock; /* to the process: shim_start and shim_clean as frames down, replies up */
};

/* Call in profile_starting. The process runs child_main (child.h) and waits for orders. */
int ns_create(uint32_t uid_base, bool host_net, struct ns_first *ret, struct err *e);

/* The caller's namespaces, through its procfs; -1 where one could not be opened. 0 or -errno. */
int ns_open_own(int proc, int fds[NS_COUNT]);

/* Enters all of them but the time namespace, and the network if the caller is in that one, the user
 * namespace first. The pid namespace is that of children to come. */
int ns_join(const int fds[NS_COUNT], struct err *e);

/* Refused while memory is shared with another process; setns(2). */
int ns_join_time(const int fds[NS_COUNT], struct err *e);

/* Closes them. Does not wait for what goes with the last holder of a mount namespace: a sibling of
 * the caller's, which their parent reaps, does that. */
void ns_close(int fds[NS_COUNT]);
