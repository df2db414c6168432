/* SPDX-License-Identifier: MIT */
/*
 * The fields of struct io_rate as a table; see io_rate.h. No input or output of its own.
 */
#include "io_rate.h"

#include <string.h>

#include "base/util.h"

static const size_t fields[] = {
	offsetof(struct io_rate, read_bps),
	offsetof(struct io_rate, write_bps),
	offsetof(struct io_rate, read_iops),
	offsetof(struct io_rate, write_iops),
	offsetof(struct io_rate, weight),
};

static int64_t get(const struct io_rate *d, size_t field)
{
	int64_t v;

	memcpy(&v, (const char *)d + field, sizeof(v));
	return v;
}

static void put(struct io_rate *d, size_t field, int64_t v)
{
	memcpy((char *)d + field, &v, sizeof(v));
}

bool io_rate_any(const struct io_rate *d)
{
	for (unsigned int i = 0; i < ARRAY_LEN(fields); i++)
		if (get(d, fields[i]))
			return true;
	return false;
}

void io_rate_merge(struct io_rate *d, const struct io_rate *more)
{
	if (more->path)
		d->path = more->path;
	for (unsigned int i = 0; i < ARRAY_LEN(fields); i++)
		if (get(more, fields[i]))
			put(d, fields[i], get(more, fields[i]));
}

void io_rate_lift(struct io_rate *d)
{
	for (unsigned int i = 0; i < ARRAY_LEN(fields); i++)
		put(d, fields[i], -1);
}

void io_rate_undo(struct io_rate *tried, const struct io_rate *old)
{
	for (unsigned int i = 0; i < ARRAY_LEN(fields); i++)
		if (get(old, fields[i]))
			put(tried, fields[i], get(old, fields[i]));
		else if (get(tried, fields[i]))
			put(tried, fields[i], -1);
}

void io_rate_forget_lifted(struct io_rate *d)
{
	for (unsigned int i = 0; i < ARRAY_LEN(fields); i++)
		if (get(d, fields[i]) < 0)
			put(d, fields[i], 0);
}
