/* SPDX-License-Identifier: MIT */
/*
 * The caller's standard streams, joined to a workload's by pipes: the far ends go to the engine,
 * the near ends are pumped here until the workload has ended.
 */
#pragma once

#include "client.h"
#include "tty.h"

struct streams_setup {
	bool in, out, err;
	bool tty;		 /* raw mode, one output, detach keys, no signal proxy */
	bool proxy;		 /* signals of ours go to the workload */
	const char *detach_keys; /* NULL: the default */
};

struct pump {
	int from, to;  /* -1 when done */
	bool to_full;  /* wait for room, not for data */
	bool splice;   /* both ends can */
	uint8_t *held; /* read, not yet written */
	size_t held_n, held_at;
};

struct streams {
	struct streams_setup setup;
	int far_in, far_out, far_err; /* for the engine; close them once sent (streams_sent) */
	struct pump in, out, err;
	struct tty tty;
	struct detach detach;
	bool detached;
	struct err failure; /* of writing our own output; code 0: none */
	int signals;	    /* signalfd, -1: none */
};

#define STREAMS_NONE                                                                               \
	((struct streams){.far_in = -1,                                                            \
		.far_out = -1,                                                                     \
		.far_err = -1,                                                                     \
		.in = {.from = -1, .to = -1},                                                      \
		.out = {.from = -1, .to = -1},                                                     \
		.err = {.from = -1, .to = -1},                                                     \
		.tty = {.fd = -1},                                                                 \
		.signals = -1})

/* A pipe whose far end a process of any user in a container may have. */
int streams_pipe(int *ret_read, int *ret_write, struct err *e);

/* Makes the pipes. *s is to be freed by streams_free in any case. */
int streams_open(struct streams *s, const struct streams_setup *setup, struct err *e);
void streams_free(struct streams *s);
#define _cleanup_streams_ _cleanup_(streams_free)

/* From here on signals wait in a descriptor, and until streams_free the terminal is raw. */
int streams_begin(struct streams *s, struct err *e);

/* The engine has the far ends: ours are closed, so that the workload's end is seen. */
void streams_sent(struct streams *s);

/* What the workload is to the engine. */
struct workload {
	const char *ref;
	uint32_t exec; /* 0: the container's own process */
};

/* Pumps until the answer `wait_id` (container_waited) has come and all output is written. *ret_code
 * is the workload's exit code, or 0 after the detach keys. Output that can't be written (a full
 * disk) is an error; the workload runs on. */
int streams_run(struct streams *s, struct client *c, const struct workload *w, uint32_t wait_id,
	uint32_t *ret_code, struct err *e);
