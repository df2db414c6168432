/* SPDX-License-Identifier: MIT */
/*
 * Nearest word by edit distance (insert, delete, replace, swap of neighbours); see suggest.h.
 */
#include "suggest.h"

#include <string.h>

#include "base/util.h"

#define WORD_MAX 32

static size_t min3(size_t a, size_t b, size_t c)
{
	return MIN(MIN(a, b), c);
}

static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			size_t same = a[i - 1] == b[j - 1] ? 0 : 1;

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

void suggest_start(struct suggest *s, const char *typed)
{
	size_t n = strlen(typed);

	s->typed = typed;
	s->best = NULL;
	/* A third of the letters may be wrong, and one always may; a single letter is no hint. */
	s->distance = n < 2 ? 0 : MAX(n / 3, (size_t)1) + 1;
}

void suggest_offer(struct suggest *s, const char *word)
{
	size_t n = strlen(s->typed), m = strlen(word), d;

	if (n > WORD_MAX || m > WORD_MAX || n == 0)
		return;
	d = n > 2 && strncmp(word, s->typed, n) == 0 ? 1 : distance(s->typed, n, word, m);
	if (d < s->distance) {
		s->distance = d;
		s->best = word;
	}
}
