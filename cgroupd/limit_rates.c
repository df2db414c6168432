/* SPDX-License-Identifier: MIT */
/*
 * Rates and weights of devices; see limit_rates.h,
 * Documentation/admin-guide/cgroup-v1/blkio-controller.rst, io.max and io.weight in cgroup-v2.rst,
 * and bfq_io_set_weight() in block/bfq-cgroup.c. No input or output of its own.
 */
#include "limit_rates.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "convert.h"

static const struct rate {
	const char *key; /* v2's */
	size_t offset;	 /* of an int64_t in struct io_rate */
} rates[] = {
	{"rbps", offsetof(struct io_rate, read_bps)},
	{"wbps", offsetof(struct io_rate, write_bps)},
	{"riops", offsetof(struct io_rate, read_iops)},
	{"wiops", offsetof(struct io_rate, write_iops)},
};

static int64_t *field(struct io_rate *d, const struct rate *rate)
{
	return (int64_t *)(void *)((char *)d + rate->offset);
}

static int64_t value(const struct io_rate *d, const struct rate *rate)
{
	int64_t v;

	memcpy(&v, (const char *)d + rate->offset, sizeof(v));
	return v;
}

/* v1 takes 0 for "no longer". */
static bool put_rate(const struct limits *l, const struct rate *rate, char *text)
{
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < l->io.n && n < LIMIT_TEXT_MAX; i++) {
		const struct io_rate *d = &l->io.v[i];
		int64_t v = value(d, rate);

		if (v)
			n += (size_t)snprintf(text + n, LIMIT_TEXT_MAX - n,
				"%s%" PRIu32 ":%" PRIu32 " %" PRId64, n ? "\n" : "", d->major,
				d->minor, v < 0 ? 0 : v);
	}
	return n > 0;
}

/* "254:0 " at the start; moves behind it. */
static int get_device(const char **text, uint32_t *ret_major, uint32_t *ret_minor)
{
	char number[2][12];
	int used = 0;

	if (sscanf(*text, "%11[0-9]:%11[0-9]%n", number[0], number[1], &used) != 2 ||
		(*text)[used] != ' ')
		return -EBADMSG;
	*text += used + 1;
	return num_parse_u32(number[0], 0, UINT32_MAX, ret_major) < 0 ||
			       num_parse_u32(number[1], 0, UINT32_MAX, ret_minor) < 0
		       ? -EBADMSG
		       : 0;
}

/* Of the device; made when it is new. NULL when there are too many: nobody can have asked for it.
 */
static struct io_rate *device(struct limits_owned *r, uint32_t major, uint32_t minor)
{
	struct limits *l = &r->limits;

	l->io.v = r->io;
	for (uint32_t i = 0; i < l->io.n; i++)
		if (r->io[i].major == major && r->io[i].minor == minor)
			return &r->io[i];
	if (l->io.n == LIMIT_IO_MAX)
		return NULL;
	r->io[l->io.n] = (struct io_rate){.major = major, .minor = minor};
	return &r->io[l->io.n++];
}

/* A number up to the end of the word; "max" is 0, absent. */
static int get_rate(const char *text, int64_t *ret)
{
	char word[24];
	size_t n = strcspn(text, " \n");
	uint64_t v = 0;

	if (n >= sizeof(word))
		return -EBADMSG;
	memcpy(word, text, n);
	word[n] = '\0';
	if (strcmp(word, "max") != 0 && num_parse_u64(word, 0, INT64_MAX, &v) < 0)
		return -EBADMSG;
	*ret = (int64_t)v;
	return 0;
}

/* Calls fn for what stands behind each device's number. */
static int each_line(const char *text, struct limits_owned *r,
	int (*fn)(struct io_rate *d, const char *line, const struct rate *rate),
	const struct rate *rate)
{
	while (*text) {
		struct io_rate *d, spare = {0};
		uint32_t major, minor;

		if (get_device(&text, &major, &minor) < 0)
			return -EBADMSG;
		d = device(r, major, minor);
		if (fn(d ? d : &spare, text, rate) < 0)
			return -EBADMSG;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

static int take_rate(struct io_rate *d, const char *line, const struct rate *rate)
{
	return get_rate(line, field(d, rate));
}

/* "rbps=1 wbps=max riops=max wiops=max"; keys that are new are somebody else's. */
static int take_rates(struct io_rate *d, const char *line, const struct rate *rate)
{
	(void)rate;
	for (;;) {
		size_t n = strcspn(line, "= \n");

		if (line[n] != '=')
			return -EBADMSG;
		for (unsigned int i = 0; i < ARRAY_LEN(rates); i++)
			if (strlen(rates[i].key) == n && memcmp(rates[i].key, line, n) == 0 &&
				get_rate(line + n + 1, field(d, &rates[i])) < 0)
				return -EBADMSG;
		line += strcspn(line, " \n");
		if (*line != ' ')
			return 0;
		line++;
	}
}

static int parse_rate(const char *text, struct limits_owned *r, const struct rate *rate)
{
	return each_line(text, r, take_rate, rate);
}

bool format_read_bps(const struct limits *l, char *text)
{
	return put_rate(l, &rates[0], text);
}

bool format_write_bps(const struct limits *l, char *text)
{
	return put_rate(l, &rates[1], text);
}

bool format_read_iops(const struct limits *l, char *text)
{
	return put_rate(l, &rates[2], text);
}

bool format_write_iops(const struct limits *l, char *text)
{
	return put_rate(l, &rates[3], text);
}

/* Keys left out stay as they are. */
bool format_io_max(const struct limits *l, char *text)
{
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < l->io.n && n < LIMIT_TEXT_MAX; i++) {
		const struct io_rate *d = &l->io.v[i];

		n += (size_t)snprintf(text + n, LIMIT_TEXT_MAX - n, "%s%" PRIu32 ":%" PRIu32,
			n ? "\n" : "", d->major, d->minor);
		for (unsigned int k = 0; k < ARRAY_LEN(rates) && n < LIMIT_TEXT_MAX; k++) {
			int64_t v = value(d, &rates[k]);

			if (v < 0)
				n += (size_t)snprintf(
					text + n, LIMIT_TEXT_MAX - n, " %s=max", rates[k].key);
			else if (v)
				n += (size_t)snprintf(text + n, LIMIT_TEXT_MAX - n, " %s=%" PRId64,
					rates[k].key, v);
		}
	}
	return n > 0;
}

int parse_read_bps(const char *text, struct limits_owned *r)
{
	return parse_rate(text, r, &rates[0]);
}

int parse_write_bps(const char *text, struct limits_owned *r)
{
	return parse_rate(text, r, &rates[1]);
}

int parse_read_iops(const char *text, struct limits_owned *r)
{
	return parse_rate(text, r, &rates[2]);
}

int parse_write_iops(const char *text, struct limits_owned *r)
{
	return parse_rate(text, r, &rates[3]);
}

int parse_io_max(const char *text, struct limits_owned *r)
{
	return each_line(text, r, take_rates, NULL);
}

/* ---- weights ---- */

static uint64_t same(uint64_t weight)
{
	return weight;
}

static bool put_weights(const struct limits *l, uint64_t (*convert)(uint64_t), char *text)
{
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < l->io.n && n < LIMIT_TEXT_MAX; i++) {
		const struct io_rate *d = &l->io.v[i];
		char weight[24] = "default";

		if (d->weight > 0)
			snprintf(weight, sizeof(weight), "%" PRIu64, convert((uint64_t)d->weight));
		if (d->weight)
			n += (size_t)snprintf(text + n, LIMIT_TEXT_MAX - n,
				"%s%" PRIu32 ":%" PRIu32 " %s", n ? "\n" : "", d->major, d->minor,
				weight);
	}
	return n > 0;
}

/* Behind "default 100", which is another row's. */
static const char *disks_of(const char *text)
{
	if (strncmp(text, "default ", 8) != 0)
		return text;
	text += strcspn(text, "\n");
	return text + (*text == '\n');
}

static int take_weight(struct io_rate *d, const char *line, const struct rate *rate)
{
	(void)rate;
	return get_rate(line, &d->weight);
}

static int take_io_weight(struct io_rate *d, const char *line, const struct rate *rate)
{
	int r = take_weight(d, line, rate);

	if (r == 0)
		d->weight = (int64_t)convert_io_to_blkio((uint64_t)d->weight);
	return r;
}

bool format_bfq_weights(const struct limits *l, char *text)
{
	return put_weights(l, same, text);
}

bool format_io_weights(const struct limits *l, char *text)
{
	return put_weights(l, convert_blkio_to_io, text);
}

int parse_bfq_weights(const char *text, struct limits_owned *r)
{
	return each_line(disks_of(text), r, take_weight, NULL);
}

int parse_io_weights(const char *text, struct limits_owned *r)
{
	return each_line(disks_of(text), r, take_io_weight, NULL);
}
