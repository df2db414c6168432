/* SPDX-License-Identifier: MIT */
/*
 * Several netlink requests in one sendmsg(2), and their answers. The kernel works through them in
 * order, before sendmsg returns, so nothing here ever waits: an answer that isn't there at once was
 * taken by somebody else.
 */
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stdbool.h>

#include "base/err.h"

#define BATCH_MAX 32

struct batch {
	struct {
		struct nl_msg *msg;
		const char *what; /* for the sentence: "address", "default route" */
	} req[BATCH_MAX];
	unsigned int n;
	bool no_memory;
};

/* Takes msg over; NULL (memory was out when it was made) is told by batch_run. */
void batch_add(struct batch *b, struct nl_msg *msg, const char *what);

/* Sends all and returns the first failure, as `what: reason`. The kernel goes on after a request
 * that failed: the caller undoes the rest. answer (may be NULL) is called for each message that
 * isn't an acknowledgement. The batch is empty again afterwards. */
int batch_run(struct batch *b, int fd, void (*answer)(void *arg, struct nlmsghdr *h), void *arg,
	struct err *e);

void batch_free(struct batch *b);
#define _cleanup_batch_ _cleanup_(batch_free)

/* A socket of the protocol (NETLINK_ROUTE, …) in the namespace that the caller is in. */
int batch_socket(int protocol, struct err *e);
