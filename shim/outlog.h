/* SPDX-License-Identifier: MIT */
/*
 * A container's output on disk: files log, log.1 and log.2 in a directory, at most OUTLOG_SIZE
 *bytes each. Records are lines in CRI's form,
 *
 *	2026-11-22T19:00:00.123456789Z stdout F text
 *
 * with P instead of F when the line goes on in the stream's next record. What arrives is written at
 *once, so nothing is lost with the shim, and no line is held in memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OUTLOG_SIZE   (10U << 20)
#define OUTLOG_FILES  3
#define OUTLOG_RECORD 16384U /* bytes of text in one record */

struct outlog {
	int dir, fd;
	uint64_t size, max; /* of the current file */
	bool torn;	    /* the last write was cut short */
	bool failing;	    /* and the user has been told */
};

/* Takes dir over. Output goes on in an existing file. */
int outlog_open(struct outlog *l, int dir, struct err *e);
void outlog_close(struct outlog *l);

/* A write that fails loses its records, never the container: a full disk is said once, on stderr.
 */
void outlog_write(
	struct outlog *l, const char *stream, uint64_t time_ns, const uint8_t *buf, size_t n);

/* "2026-11-22T19:00:00.123456789Z" */
#define OUTLOG_TIME_SIZE 31
void outlog_time(uint64_t ns, char buf[OUTLOG_TIME_SIZE]);
