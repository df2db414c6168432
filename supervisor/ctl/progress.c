/* SPDX-License-Identifier: MIT */
/*
 * Progress of a pull; see progress.h. Digests come from a registry: only their hex digits are
 * shown.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/util.h"
#include "table.h"
#include "tty.h"

#define REDRAW_NS 80000000U
#define BAR_MAX	  50U

void progress_open(struct progress *p, bool quiet)
{
	const char *term = getenv("TERM");
	uint32_t rows;

	memset(p, 0, sizeof(*p));
	p->quiet = quiet;
	p->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	tty_size(STDERR_FILENO, &rows, &p->columns);
	if (p->columns == 0)
		p->columns = 80;
}

static const char *state_words(const char *state)
{
	static const char *const words[][2] = {{"waiting", "Waiting"}, {"pulling", "Downloading"},
		{"exists", "Already exists"}, {"done", "Pull complete"}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(state, words[i][0]) == 0)
			return words[i][1];
	return state;
}

void progress_line(const struct progress_layer *l, uint32_t columns, char *out, size_t size)
{
	char done[16], total[16], bar[BAR_MAX + 1];
	uint32_t width = columns > 60 ? MIN(columns - 50, BAR_MAX) : 0, filled;

	if (strcmp(l->state, "pulling") != 0 || l->total == 0) {
		snprintf(out, size, "%s: %s", l->name, state_words(l->state));
		return;
	}
	filled = (uint32_t)((double)MIN(l->bytes, l->total) / (double)l->total * width);
	for (uint32_t i = 0; i < width; i++)
		bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
	bar[width] = '\0';
	snprintf(out, size, "%s: Downloading %s%s%s%s/%s", l->name, width ? "[" : "", bar,
		width ? "] " : "", num_format_size(l->bytes, done),
		num_format_size(l->total, total));
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Over the lines of the last time; one write, so that it does not flicker. */
static void draw(struct progress *p)
{
	char line[160], *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	if (p->drawn > 0)
		fprintf(f, "\x1b[%" PRIu32 "A", p->drawn);
	for (uint32_t i = 0; i < p->n; i++) {
		progress_line(&p->layers[i], p->columns, line, sizeof(line));
		fprintf(f, "\r\x1b[2K%s\n", line);
	}
	fclose(f);
	fputs(text, stderr);
	free(text);
	p->drawn = p->n;
	p->last_ns = now_ns();
}

static struct progress_layer *find_layer(struct progress *p, const char *digest)
{
	const char *hex = strchr(digest, ':');
	char name[13] = "", shown[64];

	snprintf(name, sizeof(name), "%s",
		table_visible(hex ? hex + 1 : digest, shown, sizeof(shown)));
	for (uint32_t i = 0; i < p->n; i++)
		if (strcmp(p->layers[i].name, name) == 0)
			return &p->layers[i];
	if (p->n == PROGRESS_LAYERS)
		return NULL;
	memcpy(p->layers[p->n].name, name, sizeof(name));
	return &p->layers[p->n++];
}

void progress_event(void *progress, enum msg_type type, const void *msg)
{
	const struct image_progress *m = msg;
	struct progress *p = progress;
	struct progress_layer *l;
	char state[64];
	bool changed;

	if (type != MSG_image_progress || p->quiet)
		return;
	l = find_layer(p, m->layer);
	if (!l)
		return;
	table_visible(m->state, state, sizeof(state));
	changed = strcmp(l->state, state) != 0;
	snprintf(l->state, sizeof(l->state), "%.15s", state);
	l->bytes = m->bytes;
	l->total = m->total;
	if (p->terminal && (changed || now_ns() - p->last_ns > REDRAW_NS))
		draw(p);
	else if (!p->terminal && changed)
		fprintf(stderr, "%s: %s\n", l->name, state_words(l->state));
}

void progress_close(struct progress *p)
{
	if (p->terminal && !p->quiet && p->n > 0)
		draw(p);
}
