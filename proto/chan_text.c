/* SPDX-License-Identifier: MIT */
/*
 * The debug form of a channel: lines in, lines out. Only for a person or a test at a terminal.
 */
#include "chan_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "text.h"

#define LINE_MAX_BYTES 65536

static void print_line(struct chan *c, const char *line)
{
	fd_write_all(c->text->out_fd, line, strlen(line));
	fd_write_all(c->text->out_fd, "\n", 1);
}

void chan_text_print(struct chan *c, enum msg_type type, const void *msg)
{
	_cleanup_free_ char *line = NULL;

	if (text_print(type, msg, &line) == 0)
		print_line(c, line);
}

static void on_end(void *arg)
{
	chan_lost(arg);
}

static void end_if_answered(struct chan *c)
{
	if (c->text->ended && c->text->unanswered == 0 && !c->closer)
		c->closer = loop_timer(c->loop, 0, on_end, c);
}

void chan_text_answered(struct chan *c)
{
	if (c->text->unanswered > 0)
		c->text->unanswered--;
	end_if_answered(c);
}

static void take_line(struct chan *c, char *line)
{
	struct frame f = {0};
	struct err e = {0};
	int r;

	line += strspn(line, " \t\r");
	if (*line == '\0' || *line == '#')
		return;
	r = text_parse(line, c->text->next_id, &f, &e);
	if (r == 0) {
		if (msg_row(f.type)->kind == REQUEST)
			c->text->unanswered++;
		c->text->next_id++;
		r = chan_dispatch(c, &f, &e);
		if (r < 0 && msg_row(f.type)->kind == REQUEST)
			c->text->unanswered--;
	}
	if (r < 0) {
		struct failed m = {.code = (uint32_t)e.code, .text = e.text};

		chan_text_print(c, MSG_failed, &m);
	}
	frame_free(&f);
}

static void take_lines(struct chan *c)
{
	struct text_form *t = c->text;
	char *nl, *start = t->line;

	while (!c->dead && (nl = memchr(start, '\n', t->len - (size_t)(start - t->line)))) {
		*nl = '\0';
		take_line(c, start);
		start = nl + 1;
	}
	t->len -= (size_t)(start - t->line);
	memmove(t->line, start, t->len);
}

static void on_input(void *arg, int what)
{
	struct chan *c = arg;
	struct text_form *t = c->text;
	ssize_t n;

	(void)what;
	n = read(c->fd, t->line + t->len, LINE_MAX_BYTES - t->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	c->busy++;
	if (n > 0) {
		t->len += (size_t)n;
		take_lines(c);
	} else {
		t->ended = true;
		if (t->len > 0) { /* the last line may lack its newline */
			t->line[t->len++] = '\n';
			take_lines(c);
		}
	}
	if (!c->dead && (t->ended || t->len == LINE_MAX_BYTES)) {
		t->ended = true;
		watch_change(c->watch, 0);
		end_if_answered(c);
	}
	c->busy--;
}

struct chan *chan_open_text(struct loop *l, int in_fd, int out_fd, const struct chan_setup *setup)
{
	struct chan *c = chan_alloc(l, in_fd, setup);

	if (!c)
		return NULL;
	c->text = calloc(1, sizeof(*c->text));
	if (c->text)
		c->text->line = malloc(LINE_MAX_BYTES);
	if (!c->text || !c->text->line)
		goto fail;
	c->text->out_fd = out_fd;
	c->text->next_id = 1;
	/* epoll refuses regular files (EPERM): feed a script through a pipe. */
	c->watch = loop_fd(l, in_fd, LOOP_READ, on_input, c);
	if (c->watch)
		return c;
fail:
	if (c->text)
		free(c->text->line);
	free(c->text);
	free(c);
	return NULL;
}
