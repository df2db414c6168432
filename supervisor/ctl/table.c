/* SPDX-License-Identifier: MIT */
/*
 * Tables and words for people; see table.h. What it prints may come from a container or an image.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WIDTH_MIN 10
#define GAP	  3

/* Length of a well-formed UTF-8 sequence of printable text at s, 0 if there is none. C1 controls
 * (U+0080 to U+009F) and the marks that reorder text (U+202A to U+202E, U+2066 to U+2069) are none.
 */
static size_t printable_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t c;

	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	c = s[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c < 0xa0 || (n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	if ((c >= 0xd800 && c < 0xe000) || (c >= 0x202a && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

char *table_visible(const char *text, char *out, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0;

	while (*s) {
		size_t n = printable_length(s);

		if (at + MAX(n, (size_t)4) >= size)
			break;
		if (n > 0) {
			memcpy(out + at, s, n);
			at += n;
			s += n;
		} else {
			at += (size_t)snprintf(out + at, size - at, "\\x%02x", *s++);
		}
	}
	out[at] = '\0';
	return out;
}

size_t table_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < (size_t)t->n * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

static char *visible_copy(const char *text)
{
	size_t size = strlen(text) * 4 + 5;
	char *copy = malloc(size);

	return copy ? table_visible(text, copy, size) : NULL;
}

int table_row(struct table *t, const char *const *cells, uint32_t n)
{
	char **bigger, **row;

	if (t->n == 0)
		t->columns = MIN(n, (uint32_t)TABLE_COLUMNS);
	bigger = realloc(t->cells, ((size_t)t->n + 1) * t->columns * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	t->cells = bigger;
	row = bigger + (size_t)t->n++ * t->columns;
	memset(row, 0, t->columns * sizeof(*row));
	for (uint32_t i = 0; i < t->columns; i++) {
		row[i] = visible_copy(i < n && cells[i] ? cells[i] : "");
		if (!row[i])
			return -ENOMEM;
	}
	return 0;
}

int table_row_text(struct table *t, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	const char *cells[TABLE_COLUMNS];
	char *rest = copy;
	uint32_t n = 0;

	if (!copy)
		return -ENOMEM;
	while (n < TABLE_COLUMNS && rest)
		cells[n++] = strsep(&rest, "\t");
	return table_row(t, cells, n);
}

static size_t column_width(const struct table *t, uint32_t column)
{
	size_t width = WIDTH_MIN - GAP;

	for (uint32_t i = 0; i < t->n; i++)
		width = MAX(width, table_width(t->cells[i * t->columns + column]));
	return width + GAP;
}

void table_print(const struct table *t)
{
	size_t width[TABLE_COLUMNS];

	for (uint32_t j = 0; j < t->columns; j++)
		width[j] = column_width(t, j);
	for (uint32_t i = 0; i < t->n; i++) {
		for (uint32_t j = 0; j < t->columns; j++) {
			const char *cell = t->cells[i * t->columns + j];
			size_t used = table_width(cell);

			fputs(cell, stdout);
			if (j + 1 < t->columns)
				printf("%*s", (int)(width[j] - used), "");
		}
		putchar('\n');
	}
}

void table_duration(uint64_t ns, char buf[32])
{
	uint64_t s = ns / 1000000000U, m = s / 60, h = (m + 30) / 60;

	if (s < 1)
		strcpy(buf, "Less than a second");
	else if (s == 1)
		strcpy(buf, "1 second");
	else if (s < 60)
		snprintf(buf, 32, "%" PRIu64 " seconds", s);
	else if (m == 1)
		strcpy(buf, "About a minute");
	else if (m < 60)
		snprintf(buf, 32, "%" PRIu64 " minutes", m);
	else if (h == 1)
		strcpy(buf, "About an hour");
	else if (h < 48)
		snprintf(buf, 32, "%" PRIu64 " hours", h);
	else if (h < 24 * 7 * 2)
		snprintf(buf, 32, "%" PRIu64 " days", h / 24);
	else if (h < 24 * 30 * 2)
		snprintf(buf, 32, "%" PRIu64 " weeks", h / 24 / 7);
	else if (h < 24 * 365 * 2)
		snprintf(buf, 32, "%" PRIu64 " months", h / 24 / 30);
	else
		snprintf(buf, 32, "%" PRIu64 " years", h / 24 / 365);
}
