/* SPDX-License-Identifier: MIT */
/*
 * What a process that the shim has cloned says to it before it becomes the workload: fixed-size
 * words on a SOCK_SEQPACKET pair. Only our own code speaks here; the socket is closed by execve.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum reply_word {
	REPLY_READY = 1, /* first process: in its namespaces; fd: its NETLINK_ROUTE socket */
	REPLY_CLEANED,	 /* first process: the directory is empty */
	REPLY_RUNNING,	 /* execve is next; fds as io.h says, behind those of the namespaces */
	REPLY_FAILED,	 /* err says why; the process ends */
};

struct reply {
	enum reply_word word;
	struct err err;
};

#define REPLY_FDS_MAX 16

/* Descriptors are borrowed. 0 or -errno. */
int reply_send(int sock, const struct reply *r, const int *fds, uint32_t n_fds);
int reply_word(int sock, enum reply_word word);

/* Does not block. -EAGAIN when there is none, -ENODATA when the other end is closed. The
 * descriptors received are the caller's. *ret_pid is the sender as the kernel knows it, if the
 * socket has SO_PASSCRED, else 0. */
int reply_recv(
	int sock, struct reply *ret, int fds[REPLY_FDS_MAX], uint32_t *ret_n, pid_t *ret_pid);
