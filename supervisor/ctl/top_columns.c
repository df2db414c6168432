/* SPDX-License-Identifier: MIT */
/*
 * Columns of top by table; see top_columns.h. Runs in ctl; text of processes is anything, and made
 * visible by the table that prints it.
 */
#include "top_columns.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX 32

struct top_column {
	const char *names; /* spaces between them; the first is ps's own */
	const char *header;
	enum top_field field;
	/* NULL: the field as it is */
	void (*text)(const struct top_row *r, char out[TEXT_MAX]);
};

static uint64_t number(const struct top_row *r, enum top_field f)
{
	return strtoull(r->cell[f], NULL, 10);
}

/* Since it was started, at least one. */
static uint64_t age_ms(const struct top_row *r)
{
	uint64_t start = number(r, TOP_START);

	return r->now_ms > start ? r->now_ms - start : 1;
}

static void text_cpu(const struct top_row *r, char out[TEXT_MAX])
{
	uint64_t mille = number(r, TOP_SPENT) * 1000 / age_ms(r);

	snprintf(out, TEXT_MAX, "%" PRIu64 ".%" PRIu64, mille / 10, mille % 10);
}

static void text_whole_cpu(const struct top_row *r, char out[TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "%" PRIu64, number(r, TOP_SPENT) * 100 / age_ms(r));
}

static void text_memory(const struct top_row *r, char out[TEXT_MAX])
{
	uint64_t mille = r->memory ? number(r, TOP_RESIDENT) / (r->memory / 1000 + 1) : 0;

	snprintf(out, TEXT_MAX, "%" PRIu64 ".%" PRIu64, mille / 10, mille % 10);
}

static void text_size(const struct top_row *r, char out[TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "%" PRIu64, number(r, TOP_SIZE) >> 10);
}

static void text_resident(const struct top_row *r, char out[TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "%" PRIu64, number(r, TOP_RESIDENT) >> 10);
}

/* As ps has it, but for what takes the kernel's own flags. */
static void text_stat(const struct top_row *r, char out[TEXT_MAX])
{
	long nice = strtol(r->cell[TOP_NICE], NULL, 10);

	snprintf(out, TEXT_MAX, "%.1s%s%s%s%s", r->cell[TOP_STATE],
		nice < 0   ? "<"
		: nice > 0 ? "N"
			   : "",
		strcmp(r->cell[TOP_SID], r->cell[TOP_PID]) == 0 ? "s" : "",
		number(r, TOP_THREADS) > 1 ? "l" : "",
		strcmp(r->cell[TOP_FOREGROUND], r->cell[TOP_PGID]) == 0 ? "+" : "");
}

/* The time of today, else the day, else the year. */
static void text_start(const struct top_row *r, char out[TEXT_MAX])
{
	time_t start = (time_t)(number(r, TOP_START) / 1000), now = (time_t)(r->now_ms / 1000);
	struct tm s, n;

	localtime_r(&start, &s);
	localtime_r(&now, &n);
	strftime(out, TEXT_MAX,
		s.tm_year != n.tm_year	 ? "%Y"
		: s.tm_yday != n.tm_yday ? "%b%d"
					 : "%H:%M",
		&s);
}

static void text_time(const struct top_row *r, char out[TEXT_MAX])
{
	uint64_t t = number(r, TOP_SPENT) / 1000;

	snprintf(out, TEXT_MAX, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, t / 3600, t / 60 % 60,
		t % 60);
}

static void text_short_time(const struct top_row *r, char out[TEXT_MAX])
{
	uint64_t t = number(r, TOP_SPENT) / 1000;

	snprintf(out, TEXT_MAX, "%" PRIu64 ":%02" PRIu64, t / 60, t % 60);
}

static void text_age(const struct top_row *r, char out[TEXT_MAX])
{
	uint64_t t = age_ms(r) / 1000, days = t / 86400, hours = t / 3600 % 24;
	char front[TEXT_MAX - 8] = "";

	if (days > 0)
		snprintf(front, sizeof(front), "%" PRIu64 "-%02" PRIu64 ":", days % 1000000, hours);
	else if (hours > 0)
		snprintf(front, sizeof(front), "%02" PRIu64 ":", hours);
	snprintf(out, TEXT_MAX, "%s%02" PRIu64 ":%02" PRIu64, front, t / 60 % 60, t % 60);
}

static void text_seconds(const struct top_row *r, char out[TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "%" PRIu64, age_ms(r) / 1000);
}

static const struct top_column columns[] = {
	{"user euser uname", "USER", TOP_USER, NULL},
	{"uid euid", "UID", TOP_UID, NULL},
	{"pid tgid", "PID", TOP_PID, NULL},
	{"ppid", "PPID", TOP_PPID, NULL},
	{"pgid pgrp", "PGID", TOP_PGID, NULL},
	{"sid sess session", "SID", TOP_SID, NULL},
	{"tpgid", "TPGID", TOP_FOREGROUND, NULL},
	{"c", "C", TOP_SPENT, text_whole_cpu},
	{"pcpu %cpu", "%CPU", TOP_SPENT, text_cpu},
	{"pmem %mem", "%MEM", TOP_RESIDENT, text_memory},
	{"vsz vsize", "VSZ", TOP_SIZE, text_size},
	{"rss rssize rsz", "RSS", TOP_RESIDENT, text_resident},
	{"tty tt tname", "TTY", TOP_TTY, NULL},
	{"stat", "STAT", TOP_STATE, text_stat},
	{"s state", "S", TOP_STATE, NULL},
	{"ni nice", "NI", TOP_NICE, NULL},
	{"nlwp thcount", "NLWP", TOP_THREADS, NULL},
	{"stime start_time start bsdstart", "STIME", TOP_START, text_start},
	{"time cputime", "TIME", TOP_SPENT, text_time},
	{"bsdtime", "TIME", TOP_SPENT, text_short_time},
	{"etime", "ELAPSED", TOP_START, text_age},
	{"etimes", "ELAPSED", TOP_START, text_seconds},
	{"comm ucmd ucomm", "COMMAND", TOP_NAME, NULL},
	{"args cmd command", "COMMAND", TOP_COMMAND, NULL},
};

static const struct top_column *find(const char *name, size_t n)
{
	for (unsigned int i = 0; i < ARRAY_LEN(columns); i++)
		for (const char *p = columns[i].names; *p; p += *p == ' ') {
			size_t k = strcspn(p, " ");

			if (k == n && memcmp(p, name, n) == 0)
				return &columns[i];
			p += k;
		}
	return NULL;
}

static int refuse(const char *name, size_t n, struct err *e)
{
	char text[200], *p = text;

	for (unsigned int i = 0; i < ARRAY_LEN(columns); i++) {
		size_t k = strcspn(columns[i].names, " ");

		p += snprintf(
			p, sizeof(text) - (size_t)(p - text), " %.*s", (int)k, columns[i].names);
	}
	return err_set(
		e, EINVAL, "\"%.*s\" is no column; there are%s", (int)MIN(n, 24U), name, text);
}

static int add(struct top_layout *l, const char *name, size_t n, const char *header, struct err *e)
{
	const struct top_column *c = find(name, n);

	if (!c)
		return refuse(name, n, e);
	if (l->n == TABLE_COLUMNS)
		return err_set(e, E2BIG, "at most %d columns are possible", TABLE_COLUMNS);
	l->columns[l->n] = c;
	l->headers[l->n++] = header ? header : c->header;
	return 0;
}

/* "pid,user comm=WHAT IT IS": a header goes to the comma, as in procps. */
static int add_list(struct top_layout *l, const char *s, struct arena *a, struct err *e)
{
	int r = 0;

	if (!s || !*s)
		return err_set(e, EINVAL, "-o needs a list of columns");
	while (r == 0 && *s) {
		size_t n = strcspn(s, ", ="), k = n + (s[n] == '=' ? strcspn(s + n, ",") : 0);
		char *header = NULL;

		if (k > n) {
			header = arena_alloc(a, k - n);
			if (!header)
				return err_set(e, ENOMEM, "out of memory");
			memcpy(header, s + n + 1, k - n - 1);
			header[k - n - 1] = '\0';
		}
		r = add(l, s, n, header, e);
		s += k + (s[k] != '\0');
	}
	return r;
}

/* ---- ps's words ---- */

enum { FULL = 1, BSD = 2, BSD_USER = 4 };

static const struct {
	const char *list;
	const char *headers; /* of some; the others are the columns' own */
} sets[] = {
	[0] = {"pid tty time comm", "- - - CMD"},
	[FULL] = {"user pid ppid c stime tty time args", "UID - - - - - - CMD"},
	[BSD] = {"pid tty stat bsdtime args", "- - - - -"},
	[BSD_USER] = {"user pid pcpu pmem vsz rss tty stat stime bsdtime args",
		"- - - - - - - - START - -"},
};

static int add_set(struct top_layout *l, unsigned int set, struct arena *a, struct err *e)
{
	const char *name = sets[set].list, *header = sets[set].headers;
	int r = 0;

	while (r == 0 && *name) {
		size_t n = strcspn(name, " "), k = strcspn(header, " ");
		char *own = NULL;

		if (*header != '-') {
			own = arena_alloc(a, k + 1);
			if (!own)
				return err_set(e, ENOMEM, "out of memory");
			memcpy(own, header, k);
			own[k] = '\0';
		}
		r = add(l, name, n, own, e);
		name += n + (name[n] == ' ');
		header += k + (header[k] == ' ');
	}
	return r;
}

/* One word; *set collects. Returns 1 when the next word is the list of an -o. */
static int take_word(
	struct top_layout *l, const char *word, unsigned int *set, struct arena *a, struct err *e)
{
	/* -aux is aux, as in procps where there is no user x. */
	bool bsd = *word != '-' ||
		   (word[1] && strspn(word + 1, "aux") == strlen(word + 1) && strchr(word, 'u'));
	const char *p = word + (*word == '-');

	if (strcmp(word, "--no-headers") == 0 || strcmp(word, "--no-heading") == 0) {
		l->bare = true;
		return 0;
	}
	if (bsd && *set == 0)
		*set = BSD;
	for (; *p; p++) {
		if (*p == 'o')
			return p[1] ? add_list(l, p + 1, a, e) : 1;
		if (bsd && *p == 'u')
			*set = BSD_USER;
		else if (!bsd && *p == 'f')
			*set = FULL;
		/* All are shown in any case, as wide as they are. */
		else if (!strchr(bsd ? "axw" : "eAadw", *p))
			break;
	}
	if (!*p && p > word + (*word == '-'))
		return 0;
	return err_set(e, EINVAL,
		"ps's \"%.24s\" is not known here; there are -e, -f, -o COLUMN,…, aux and --no-headers",
		word);
}

int top_layout(const struct strv *words, struct arena *a, struct top_layout *ret, struct err *e)
{
	unsigned int set = words->n == 0 ? FULL : 0;
	bool bare = true;
	int r = 0;

	*ret = (struct top_layout){0};
	for (uint32_t i = 0; i < words->n && r == 0; i++) {
		r = take_word(ret, words->v[i], &set, a, e);
		if (r == 1)
			r = add_list(ret, ++i < words->n ? words->v[i] : NULL, a, e);
	}
	if (r == 0 && ret->n == 0)
		r = add_set(ret, set, a, e);
	for (uint32_t i = 0; i < ret->n; i++)
		bare &= !*ret->headers[i];
	ret->bare |= bare;
	return r;
}

int top_header(const struct top_layout *l, struct table *t)
{
	return l->bare ? 0 : table_row(t, l->headers, l->n);
}

int top_add(const struct top_layout *l, const struct top_row *row, struct table *t)
{
	const char *cells[TABLE_COLUMNS];
	char texts[TABLE_COLUMNS][TEXT_MAX];

	for (uint32_t i = 0; i < l->n; i++) {
		const struct top_column *c = l->columns[i];

		cells[i] = c->text ? texts[i] : row->cell[c->field];
		if (c->text)
			c->text(row, texts[i]);
	}
	return table_row(t, cells, l->n);
}
