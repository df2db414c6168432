/* SPDX-License-Identifier: MIT */
/*
 * Strict numbers; see num.h.
 */
#include "num.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util.h"

int num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s || (s[0] == '0' && s[1]))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10U, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int num_parse_u32(const char *s, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t v;
	int r = num_parse_u64(s, min, max, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

/* digits[.digits] or .digits as a whole number of 1/unit; unit is a power of ten, at most 10^6.
 * -EDOM: finer than that, cut off. */
static int parse_fraction(const char *s, size_t n, uint32_t unit, uint64_t *ret)
{
	uint64_t v = 0, scale = 0;
	bool finer = false;

	if (n == 0 || s[n - 1] == '.')
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.' && scale == 0) {
			scale = 1;
			continue;
		}
		if (!isdigit((unsigned char)s[i]))
			return -EINVAL;
		if (scale == unit) {
			finer = finer || s[i] != '0';
			continue;
		}
		if (scale)
			scale *= 10;
		if (__builtin_mul_overflow(v, 10U, &v) ||
			__builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return -ERANGE;
	}
	if (__builtin_mul_overflow(v, unit / MAX(scale, 1U), &v))
		return -ERANGE;
	*ret = v;
	return finer ? -EDOM : 0;
}

int num_parse_millionths(const char *s, uint64_t *ret)
{
	return parse_fraction(s, strlen(s), 1000000, ret);
}

int num_parse_size(const char *s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		unsigned int shift;
	} units[] = {{"", 0}, {"b", 0}, {"k", 10}, {"kb", 10}, {"kib", 10}, {"m", 20}, {"mb", 20},
		{"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}, {"t", 40}, {"tb", 40},
		{"tib", 40}};
	size_t n = strspn(s, "0123456789.");
	uint32_t parts = memchr(s, '.', n) ? 1000 : 1;
	uint64_t v, whole, part;
	int r = parse_fraction(s, n, parts, &v);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < ARRAY_LEN(units); i++) {
		if (strcasecmp(s + n, units[i].unit) != 0)
			continue;
		whole = v / parts;
		part = (v % parts << units[i].shift) / parts;
		if (whole > (uint64_t)INT64_MAX >> units[i].shift)
			return -ERANGE;
		*ret = (whole << units[i].shift) + part;
		return *ret > INT64_MAX ? -ERANGE : 0;
	}
	return -EINVAL;
}

static const char *format_size(uint64_t n, double step, const char *const units[7], char buf[16])
{
	double v = (double)n;
	unsigned int i = 0;

	for (; v >= step && i < 6; i++)
		v /= step;
	snprintf(buf, 16, "%.4g%s", v, units[i]);
	return buf;
}

const char *num_format_size(uint64_t n, char buf[16])
{
	static const char *const units[7] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

	return format_size(n, 1000, units, buf);
}

const char *num_format_binary_size(uint64_t n, char buf[16])
{
	static const char *const units[7] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

	return format_size(n, 1024, units, buf);
}
