/* SPDX-License-Identifier: MIT */
/*
 * Signals by number and name, detach keys, times; see parse.h.
 */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/num.h"
#include "base/util.h"

#define SIGNAL_MAX 64
/* The kernel's range, which containers use; the C library hides the first two of it. */
#define RT_FIRST 34U
#define RT_LAST	 64U

const char *signal_name(uint32_t signal)
{
	return signal <= SIGNAL_MAX ? sigabbrev_np((int)signal) : NULL;
}

/* RTMIN, RTMIN+n, RTMAX, RTMAX-n */
static int parse_realtime(const char *s, uint32_t *ret)
{
	bool from_min = strncasecmp(s, "RTMIN", 5) == 0;
	uint32_t n = 0;

	if (!from_min && strncasecmp(s, "RTMAX", 5) != 0)
		return -EINVAL;
	if (s[5] && (s[5] != (from_min ? '+' : '-') ||
			    num_parse_u32(s + 6, 0, RT_LAST - RT_FIRST, &n) < 0))
		return -EINVAL;
	*ret = from_min ? RT_FIRST + n : RT_LAST - n;
	return 0;
}

int parse_signal(const char *s, uint32_t *ret, struct err *e)
{
	const char *name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s;

	if (num_parse_u32(s, 1, SIGNAL_MAX, ret) == 0)
		return 0;
	if (parse_realtime(name, ret) == 0)
		return 0;
	for (uint32_t i = 1; i < RT_FIRST; i++) {
		const char *known = signal_name(i);

		if (known && strcasecmp(known, name) == 0) {
			*ret = i;
			return 0;
		}
	}
	return err_set(e, EINVAL,
		"invalid signal \"%.32s\": a number from 1 to 64 or a name such as TERM", s);
}

int check_signal(const char *s, struct err *e)
{
	uint32_t v;

	return parse_signal(s, &v, e);
}

/* One key: a character, or ctrl- and a letter or one of @ [ \ ] ^ _ */
static int parse_key(const char *s, size_t n, uint8_t *ret)
{
	if (n == 1 && (unsigned char)*s < 0x80) {
		*ret = (uint8_t)*s;
		return 0;
	}
	if (n != 6 || strncasecmp(s, "ctrl-", 5) != 0)
		return -EINVAL;
	if (!isalpha((unsigned char)s[5]) && !strchr("@[\\]^_", s[5]))
		return -EINVAL;
	*ret = (uint8_t)(toupper((unsigned char)s[5]) & 0x1f);
	return 0;
}

int parse_detach_keys(const char *s, struct detach_keys *ret, struct err *e)
{
	const char *p = *s ? s : "ctrl-p,ctrl-q";

	ret->n = 0;
	for (;;) {
		size_t n = *p == ',' ? 1 : strcspn(p, ",");

		if (ret->n == ARRAY_LEN(ret->v) || (p[n] && p[n] != ',') ||
			parse_key(p, n, &ret->v[ret->n]) < 0)
			return err_set(e, EINVAL,
				"invalid keys \"%.32s\": letters or ctrl-letters with commas between",
				s);
		ret->n++;
		p += n;
		if (!*p)
			return 0;
		p++;
	}
}

int check_detach_keys(const char *s, struct err *e)
{
	struct detach_keys k;

	return parse_detach_keys(s, &k, e);
}

/* Go's durations: 1h30m, 90s, 500ms, 1.5h; to ns. */
int parse_duration(const char *s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000},
		{"m", 60000000000}, {"h", 3600000000000}};
	uint64_t sum = 0;

	if (!*s)
		return -EINVAL;
	while (*s) {
		char number[24];
		size_t n = strspn(s, "0123456789."), u, i;
		uint64_t v, part;

		if (n == 0 || n >= sizeof(number))
			return -EINVAL;
		snprintf(number, sizeof(number), "%.*s", (int)n, s);
		s += n;
		u = strcspn(s, "0123456789.");
		for (i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].unit) == u && memcmp(units[i].unit, s, u) == 0)
				break;
		if (i == ARRAY_LEN(units) || num_parse_millionths(number, &v) < 0 ||
			__builtin_mul_overflow(v, units[i].ns, &part))
			return -EINVAL;
		sum += part / 1000000;
		s += u;
	}
	*ret = sum;
	return 0;
}

/* .123456789 to ns; the number of characters read, or -EINVAL. */
static int parse_fraction_ns(const char *s, uint64_t *ret)
{
	uint64_t scale = 100000000;
	int n = 1;

	*ret = 0;
	if (*s != '.')
		return 0;
	for (; isdigit((unsigned char)s[n]); n++, scale /= 10)
		*ret += (uint64_t)(s[n] - '0') * scale;
	return n == 1 ? -EINVAL : n;
}

/* timegm(3) makes of February 30 March 2, strptime(3) takes a second of 60. */
static bool is_on_calendar(const struct tm *tm)
{
	struct tm real = *tm;

	timegm(&real);
	return tm->tm_mday == real.tm_mday && tm->tm_sec == real.tm_sec;
}

/* Z, +hh:mm, -hh:mm, or nothing: local time. Seconds east of Greenwich. */
static int parse_zone(const char *s, struct tm *tm, time_t *ret)
{
	unsigned int h, m;
	int n = 0;

	if (!is_on_calendar(tm))
		return -EINVAL;
	if (!*s) {
		tm->tm_isdst = -1;
		*ret = mktime(tm);
		return 0;
	}
	*ret = timegm(tm);
	if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
		return 0;
	if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2u:%2u%n", &h, &m, &n) != 2 || n != 5 ||
		s[6] || h > 23 || m > 59)
		return -EINVAL;
	*ret += (time_t)(h * 3600 + m * 60) * (*s == '+' ? -1 : 1);
	return 0;
}

static int parse_rfc3339(const char *s, uint64_t *ret)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
	uint64_t ns = 0;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = {0};
		const char *rest = strptime(s, forms[i], &tm);
		int n = rest && i == 0 ? parse_fraction_ns(rest, &ns) : 0;
		time_t t;

		if (!rest || n < 0)
			continue;
		if (parse_zone(rest + n, &tm, &t) < 0 || t < 0)
			continue;
		*ret = (uint64_t)t * 1000000000U + ns;
		return 0;
	}
	return -EINVAL;
}

int parse_time(const char *s, uint64_t now_ns, uint64_t *ret, struct err *e)
{
	char seconds[24];
	uint64_t v, back, ns;
	size_t whole = strspn(s, "0123456789");
	int n;

	if (parse_rfc3339(s, ret) == 0)
		return 0;
	if (parse_duration(s, &back) == 0) {
		*ret = back < now_ns ? now_ns - back : 0;
		return 0;
	}
	snprintf(seconds, sizeof(seconds), "%.*s", (int)MIN(whole, sizeof(seconds) - 1), s);
	n = parse_fraction_ns(s + whole, &ns);
	if (n >= 0 && !s[whole + (size_t)n] && num_parse_u64(seconds, 0, UINT32_MAX, &v) == 0) {
		*ret = v * 1000000000U + ns;
		return 0;
	}
	return err_set(e, EINVAL,
		"\"%.40s\" is no time: 2026-01-02T15:04:05Z, seconds since 1970, or 10m ago", s);
}
