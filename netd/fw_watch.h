/* SPDX-License-Identifier: MIT */
/*
 * Hears of every change of the host's nf_tables, and tells which touched an engine's tables.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct fw_watch {
	int fd; /* readable when something changed */
	const char *table;
	bool touched; /* by the transaction whose end hasn't been read yet */
	char by[64];  /* who touched them last, for the log: "process 4711 (nft)" */
};

/* `table` stays the caller's. Needs NET_ADMIN: the group isn't for everybody. */
int fw_watch_open(struct fw_watch *w, const char *table, struct err *e);
void fw_watch_close(struct fw_watch *w);

/* How many transactions touched the tables since the last call. The kernel queues what it has to
 * tell before the transaction's sender gets its answer, so one's own are among them at once.
 * -ENOBUFS when something was lost. Doesn't block. */
int fw_watch_read(struct fw_watch *w);
