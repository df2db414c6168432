/* SPDX-License-Identifier: MIT */
/*
 * One blob on its way from a registry into a pipe, without ever blocking the loop: a full pipe
 * pauses the transfer. What an earlier process kept of it needn't come again. Runs in `imaged
 * --fetch`. The bytes are summed as they pass; whoever reads the pipe must not trust them before
 * on_done has said that size and digest hold.
 */
#pragma once

#include "registry.h"

struct blob;

struct blob_request {
	struct session *session;
	const char *digest; /* valid; copied */
	uint64_t size;	    /* not 0 */
	int out;	    /* taken over; made non-blocking */
	int kept;	    /* taken over; -1, or a file at its start: what is in it goes first,
			       what comes is added to it as long as that can be done */
	/* Bytes handed on so far; at most BLOB_PROGRESS_MS apart. */
	void (*on_progress)(void *arg, uint64_t bytes);
	/* Once; the pipe has been closed, the blob is freed after this returns. */
	void (*on_done)(void *arg, const struct err *failure);
	void *arg;
};
#define BLOB_PROGRESS_MS 100

/* NULL with a sentence; q->out is closed then too. on_done is never called from inside. */
struct blob *blob_start(struct loop *l, const struct blob_request *q, struct err *e);

/* Closes the pipe and forgets; on_done will not be called. Not inside on_progress. NULL is fine. */
void blob_cancel(struct blob *b);
