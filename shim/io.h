/* SPDX-License-Identifier: MIT */
/*
 * A process's streams between it, the log and attached clients.
 *
 * While a client is slower than the process, the process waits, as with docker: nothing is lost.
 * The log has no part in that, and a client that is gone is dropped. After the process has ended,
 * what its pipes still hold is read at once, and a client that takes nothing for IO_PATIENCE_MS is
 * dropped.
 */
#pragma once

#include <stdbool.h>

#include "outlog.h"
#include "source.h"

#define IO_CHUNK       32768
#define IO_CLIENTS_MAX 8
#define IO_PATIENCE_MS 10000

struct io_client;

/* The beginning of what a process writes, both outputs as they come. */
struct io_kept {
	uint8_t *p;
	uint32_t n, max;
	bool cut; /* there was more */
};

struct io {
	int epoll;
	uint8_t *chunk;	      /* IO_CHUNK bytes, shared by all */
	struct outlog *log;   /* NULL: none */
	struct io_kept *kept; /* NULL: not wanted */
	bool tty;
	bool opened, ended;
	struct source out[2]; /* stdout and stderr; a terminal has only the first */
	struct source in;
	uint8_t *in_rest; /* input that the process hasn't taken yet */
	size_t in_n, in_at;
	struct io_client *clients;
	uint64_t give_up_ns; /* monotonic; 0: not waiting */
	void (*on_done)(struct io *io);
	void *owner;
};

void io_init(struct io *io, int epoll, uint8_t *chunk, void *owner, void (*on_done)(struct io *io));

/* The process's ends: a terminal's master; else stdin if has_in, stdout, stderr. Takes the
 * descriptors. */
int io_open(struct io *io, const int *fds, uint32_t n, bool tty, bool has_in, struct err *e);

/* A client's ends, -1 for those it hasn't; pipes or sockets. Takes them, also on failure.
 * `owner_of_input`: its end of input is the process's. */
int io_attach(struct io *io, int in, int out, int err, bool owner_of_input, struct err *e);

/* The process has ended. on_done follows, at once or later. */
void io_finish(struct io *io);

/* To be called when give_up_ns has passed. */
void io_expire(struct io *io, uint64_t now_ns);

/* Closes everything. */
void io_close(struct io *io);

int io_resize(struct io *io, uint32_t rows, uint32_t cols, struct err *e);
