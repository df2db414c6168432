/* SPDX-License-Identifier: MIT */
/*
 * Rates and weights of disks: PATH:RATE; see parse.h. The path is looked up with the caller's
 * rights.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/num.h"
#include "flags.h"
#include "parse.h"

#define DISKS_MAX 16 /* the bound of limits.io */

enum kind { BPS, IOPS, WEIGHT };

/* Points at the rate; a path may hold colons. */
static const char *split(const char *s, enum kind kind, struct err *e)
{
	const char *colon = strrchr(s, ':');

	if (*s == '/' && colon && colon - s < 256)
		return colon + 1;
	err_set(e, EINVAL,
		kind == WEIGHT ? "\"%.64s\" is no weight: /dev/DISK:N"
			       : "\"%.64s\" is no rate: /dev/DISK:RATE",
		s);
	return NULL;
}

/* 0 and -1 are no limit: -1 in the message, whose 0 is none said. */
static int parse_value(const char *s, enum kind kind, int64_t *ret, struct err *e)
{
	uint64_t v = 0;
	int r = 0;

	if (kind == WEIGHT) {
		if (check_blkio_weight(s, e) < 0)
			return -EINVAL;
		(void)num_parse_u64(s, 0, 1000, &v);
	} else if (strcmp(s, "-1") != 0) {
		r = kind == BPS ? num_parse_size(s, &v) : num_parse_u64(s, 0, UINT32_MAX, &v);
	}
	if (r == -ERANGE && kind == BPS)
		return err_set(e, EINVAL,
			"\"%.32s\": the nearest rate that can be had is %" PRId64 " bytes a second",
			s, INT64_MAX);
	if (r == -EDOM)
		return err_set(
			e, EINVAL, "\"%.32s\" has more than three digits behind the point", s);
	if (r < 0 && kind == BPS)
		return err_set(e, EINVAL,
			"\"%.32s\" is no rate: bytes a second, a number with b, k, m or g, or -1",
			s);
	if (r < 0)
		return err_set(e, EINVAL,
			"\"%.32s\" is no rate: operations a second, 0 to 4294967295, or -1", s);
	*ret = v ? (int64_t)v : -1;
	return 0;
}

static int check_value(const char *s, enum kind kind, struct err *e)
{
	const char *value = split(s, kind, e);
	int64_t v;

	return value ? parse_value(value, kind, &v, e) : -EINVAL;
}

int check_device_bps(const char *s, struct err *e)
{
	return check_value(s, BPS, e);
}

int check_device_iops(const char *s, struct err *e)
{
	return check_value(s, IOPS, e);
}

int check_device_weight(const char *s, struct err *e)
{
	return check_value(s, WEIGHT, e);
}

/* The kernel limits whole disks (blkg_conf_open_bdev): of a partition's, sysfs knows the disk. */
static int check_whole(const char *path, dev_t dev, struct err *e)
{
	char link[64], real[PATH_MAX], *slash;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u/partition", major(dev), minor(dev));
	if (access(link, F_OK) < 0)
		return 0;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u/..", major(dev), minor(dev));
	slash = realpath(link, real) ? strrchr(real, '/') : NULL;
	return err_set(e, EINVAL,
		"%.128s is a partition: the kernel limits whole disks, the nearest is /dev/%.64s",
		path, slash ? slash + 1 : "DISK");
}

static int find_disk(const char *path, struct io_rate *ret, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(e, errno, "%.128s", path);
	if (!S_ISBLK(st.st_mode))
		return err_set(e, EINVAL, "%.128s is no disk", path);
	*ret = (struct io_rate){
		.path = path, .major = major(st.st_rdev), .minor = minor(st.st_rdev)};
	return check_whole(path, st.st_rdev, e);
}

/* The element of this disk, new if there is none. */
static struct io_rate *rate_of(struct limits *l, struct arena *a, const struct io_rate *disk)
{
	struct io_rate *r;

	for (uint32_t i = 0; i < l->io.n; i++)
		if (l->io.v[i].major == disk->major && l->io.v[i].minor == disk->minor)
			return &l->io.v[i];
	r = list_append(a, &l->io, sizeof(*r));
	if (r)
		*r = *disk;
	return r;
}

static int add_rate(struct limits *l, struct arena *a, const char *s, enum kind kind, size_t field,
	struct err *e)
{
	const char *rate = split(s, kind, e);
	char *path = rate ? arena_strdup(a, s) : NULL;
	struct io_rate disk, *r;
	int64_t v;

	if (!rate || parse_value(rate, kind, &v, e) < 0)
		return -EINVAL;
	if (path)
		path[rate - 1 - s] = '\0';
	if (path && find_disk(path, &disk, e) < 0)
		return -e->code;
	r = path ? rate_of(l, a, &disk) : NULL;
	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	memcpy((char *)r + field, &v, sizeof(v));
	return 0;
}

int parse_rates(const struct limit_words *w, struct arena *a, struct limits *ret, struct err *e)
{
	const struct {
		const char *flag;
		const struct strv *words;
		enum kind kind;
		size_t field;
	} rows[] = {
		{"--blkio-weight-device", &w->weights, WEIGHT, offsetof(struct io_rate, weight)},
		{"--device-read-bps", &w->read_bps, BPS, offsetof(struct io_rate, read_bps)},
		{"--device-write-bps", &w->write_bps, BPS, offsetof(struct io_rate, write_bps)},
		{"--device-read-iops", &w->read_iops, IOPS, offsetof(struct io_rate, read_iops)},
		{"--device-write-iops", &w->write_iops, IOPS, offsetof(struct io_rate, write_iops)},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (uint32_t k = 0; k < rows[i].words->n; k++) {
			int r = add_rate(
				ret, a, rows[i].words->v[k], rows[i].kind, rows[i].field, e);

			if (r < 0)
				return err_prefix(e, "%s", rows[i].flag);
		}
	if (ret->io.n > DISKS_MAX)
		return err_set(e, EINVAL, "rates of more than %d disks", DISKS_MAX);
	return 0;
}
