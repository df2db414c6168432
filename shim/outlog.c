/* SPDX-License-Identifier: MIT */
/*
 * The log writer; see outlog.h. Runs in the shim on bytes from the container, which it does not
 * look at but for line ends.
 */
#include "outlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "profile.h"

#define NS	    1000000000ULL
#define RECORDS_MAX 64 /* written by one writev */

/* Days since 1970 to a date, for the proleptic Gregorian calendar counted from 1 March of year 0,
 * where a leap day ends its year. gmtime_r would read the zone files of wherever this runs. */
static void civil_date(uint64_t days, uint32_t *ret_year, uint32_t *ret_month, uint32_t *ret_day)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*ret_day = (uint32_t)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (uint32_t)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (uint32_t)(yoe + era * 400 + (*ret_month <= 2));
}

void outlog_time(uint64_t ns, char buf[OUTLOG_TIME_SIZE])
{
	uint64_t s = ns / NS;
	uint32_t year, month, day;

	civil_date(s / 86400, &year, &month, &day);
	snprintf(buf, OUTLOG_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year % 10000,
		month % 100, day % 100, (uint32_t)(s / 3600 % 24), (uint32_t)(s / 60 % 60),
		(uint32_t)(s % 60), (uint32_t)(ns % NS));
}

static int open_file(struct outlog *l)
{
	struct stat st;

	l->fd = openat(l->dir, "log", LOG_OPEN_FLAGS, 0644);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return -errno;
	l->size = (uint64_t)st.st_size;
	return 0;
}

int outlog_open(struct outlog *l, int dir, struct err *e)
{
	int r;

	*l = (struct outlog){.dir = dir, .fd = -1, .max = OUTLOG_SIZE};
	r = open_file(l);
	return r < 0 ? err_errno(e, r, "opening the log") : 0;
}

void outlog_close(struct outlog *l)
{
	fd_close(&l->fd);
	fd_close(&l->dir);
}

static void complain(struct outlog *l, const char *what, int code)
{
	if (!l->failing)
		log_warn("log: %s: %s; output is being lost", what, strerrordesc_np(code));
	l->failing = true;
}

static void rotate(struct outlog *l)
{
	char from[8] = "log.1", to[8] = "log.2";

	for (int i = OUTLOG_FILES - 2; i >= 0; i--) {
		snprintf(to, sizeof(to), "log.%d", i + 1);
		snprintf(from, sizeof(from), i > 0 ? "log.%d" : "log", i);
		if (renameat(l->dir, from, l->dir, to) < 0 && errno != ENOENT)
			complain(l, "rotating", errno);
	}
	fd_close(&l->fd);
	if (open_file(l) < 0)
		complain(l, "opening", errno);
}

/* One batch of records. A short write leaves half a record, so the next batch starts on a line of
 * its own. */
static void put(struct outlog *l, const struct iovec *v, int n, size_t bytes)
{
	ssize_t w;

	if (l->size > 0 && l->size + bytes > l->max)
		rotate(l);
	if (l->fd < 0 && open_file(l) < 0)
		return complain(l, "opening", errno);
	if (l->torn && write(l->fd, "\n", 1) != 1)
		return complain(l, "writing", errno);
	l->torn = false;
	w = writev(l->fd, v, n);
	if (w < 0)
		return complain(l, "writing", errno);
	l->size += (uint64_t)w;
	l->torn = (size_t)w < bytes;
	if (l->torn)
		return complain(l, "writing", ENOSPC);
	l->failing = false;
}

/* Text of the next record: up to and with its line end, or as much as fits. */
static size_t next_piece(const uint8_t *p, size_t n)
{
	const uint8_t *nl = memchr(p, '\n', MIN(n, (size_t)OUTLOG_RECORD + 1));

	return nl ? (size_t)(nl - p) + 1 : MIN(n, (size_t)OUTLOG_RECORD);
}

void outlog_write(
	struct outlog *l, const char *stream, uint64_t time_ns, const uint8_t *buf, size_t n)
{
	char time[OUTLOG_TIME_SIZE], full[48], part[48];
	struct iovec v[RECORDS_MAX * 3];
	size_t head, bytes;

	outlog_time(time_ns, time);
	head = (size_t)snprintf(full, sizeof(full), "%s %s F ", time, stream);
	snprintf(part, sizeof(part), "%s %s P ", time, stream);
	while (n > 0) {
		int k = 0;

		bytes = 0;
		for (int i = 0; i < RECORDS_MAX && n > 0; i++) {
			size_t piece = next_piece(buf, n);
			bool ends = buf[piece - 1] == '\n';

			v[k++] = (struct iovec){ends ? full : part, head};
			v[k++] = (struct iovec){(void *)(uintptr_t)buf, piece};
			if (!ends)
				v[k++] = (struct iovec){(void *)(uintptr_t) "\n", 1};
			bytes += head + piece + !ends;
			buf += piece;
			n -= piece;
		}
		put(l, v, k, bytes);
	}
}
