/* SPDX-License-Identifier: MIT */
/*
 * Reading log files; see logs.h. Runs in ctl without capabilities.
 */
#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"
#include "parse.h"

#define CHUNK	 65536
#define LINE_MAX (64U << 10) /* of one record; the shim cuts at 16 KiB */
#define HELD_MAX (1U << 20)  /* of a joined line; longer ones are printed piece by piece */
#define FILES	 3

static const char *const names[FILES] = {"log.2", "log.1", "log"};

struct file {
	int fd;
	ino_t inode;
	char *rest; /* bytes read behind the last newline */
	size_t rest_n;
};

struct held { /* the beginning of a line whose end has not come */
	char *text;
	size_t n;
	bool started; /* some of it is printed already */
};

struct logs {
	struct logs_setup setup;
	int dir;
	struct file file; /* the one being read; fd -1: none yet */
	struct held held[2];
	uint64_t skip; /* lines still to be left out for --tail */
	bool printing; /* false: they are only counted */
	uint64_t lines;
	bool unfinished[2]; /* the last line of each stream, when counting */
	FILE *last; /* written to last: flushed before the other, so that both in one file keep
		       their order */
};

bool record_parse(const char *line, size_t n, struct record *ret)
{
	const char *end = line + n, *p = memchr(line, ' ', MIN(n, (size_t)40));
	char stamp[48];

	if (!p || end - p < 10 || (memcmp(p, " stdout ", 8) != 0 && memcmp(p, " stderr ", 8) != 0))
		return false;
	if ((p[8] != 'F' && p[8] != 'P') || p[9] != ' ')
		return false;
	ret->stamp = line;
	ret->stamp_n = (size_t)(p - line);
	snprintf(stamp, sizeof(stamp), "%.*s", (int)ret->stamp_n, line);
	if (parse_time(stamp, 0, &ret->time, NULL) < 0)
		return false;
	ret->err = p[4] == 'e';
	ret->partial = p[8] == 'P';
	ret->text = p + 10;
	ret->text_n = (size_t)(end - ret->text);
	return true;
}

struct logs *logs_open(int dir, const struct logs_setup *setup)
{
	struct logs *l = calloc(1, sizeof(*l));

	if (l)
		*l = (struct logs){.setup = *setup, .dir = dir, .file.fd = -1, .printing = true};
	return l;
}

static void file_close(struct file *f)
{
	fd_close(&f->fd);
	free(f->rest);
	*f = (struct file){.fd = -1};
}

void logs_free(struct logs *l)
{
	if (!l)
		return;
	file_close(&l->file);
	free(l->held[0].text);
	free(l->held[1].text);
	free(l);
}

static void put_stamp(const struct logs *l, const struct record *r, FILE *out)
{
	if (!l->setup.timestamps)
		return;
	fwrite(r->stamp, 1, r->stamp_n, out);
	fputc(' ', out);
}

/* Keeps the piece of a line for later. False when it is too much: then it is printed at once. */
static bool hold(struct logs *l, struct held *h, const struct record *r)
{
	size_t stamp = h->n || !l->setup.timestamps ? 0 : r->stamp_n + 1;
	char *p;

	if (h->started || h->n + stamp + r->text_n > HELD_MAX)
		return false;
	p = realloc(h->text, h->n + stamp + r->text_n);
	if (!p)
		return false;
	h->text = p;
	if (stamp) {
		memcpy(p, r->stamp, r->stamp_n);
		p[r->stamp_n] = ' ';
	}
	memcpy(p + h->n + stamp, r->text, r->text_n);
	h->n += stamp + r->text_n;
	return true;
}

static void print_record(struct logs *l, const struct record *r)
{
	struct held *h = &l->held[r->err];
	FILE *out = r->err ? stderr : stdout;

	if (r->partial && r->text_n > 0 && hold(l, h, r))
		return;
	if (l->last && l->last != out)
		fflush(l->last);
	l->last = out;
	if (h->n > 0)
		fwrite(h->text, 1, h->n, out);
	else if (!h->started)
		put_stamp(l, r, out);
	fwrite(r->text, 1, r->text_n, out);
	h->n = 0;
	h->started = r->partial;
	if (!r->partial)
		fputc('\n', out);
}

/* 1 when the time to stop at has come. */
static int take_line(struct logs *l, const char *line, size_t n)
{
	struct record r;

	if (!record_parse(line, n, &r) || r.time < l->setup.since)
		return 0;
	if (l->setup.until && r.time > l->setup.until)
		return 1;
	if (!l->printing) {
		l->lines += !l->unfinished[r.err];
		l->unfinished[r.err] = r.partial;
		return 0;
	}
	if (l->skip > 0)
		l->skip -= !r.partial;
	else
		print_record(l, &r);
	return 0;
}

/* Cuts buf into lines; the rest waits for its newline. */
static int take_bytes(struct logs *l, struct file *f, char *buf, size_t n)
{
	int r = 0;

	while (n > 0 && r == 0) {
		char *end = memchr(buf, '\n', n);
		size_t part = end ? (size_t)(end - buf) : n;
		char *p = f->rest_n + part <= LINE_MAX ? realloc(f->rest, f->rest_n + part + 1)
						       : NULL;

		if (p) {
			f->rest = p;
			memcpy(p + f->rest_n, buf, part);
			f->rest_n += part;
		}
		if (end) {
			r = take_line(l, f->rest ? f->rest : "", f->rest_n);
			f->rest_n = 0;
		}
		part += end != NULL;
		buf += part;
		n -= part;
	}
	return r;
}

static int read_file(struct logs *l, struct file *f, struct err *e)
{
	char buf[CHUNK];

	for (;;) {
		ssize_t n = read(f->fd, buf, sizeof(buf));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, errno, "reading the log");
		if (n == 0)
			return 0;
		r = take_bytes(l, f, buf, (size_t)n);
		if (r != 0)
			return r;
	}
}

/* -ENOENT when there is no such file. A container can't make files here, but what is opened is a
 * file all the same and no link. */
static int open_file(const struct logs *l, unsigned int i, struct file *ret, struct err *e)
{
	int fd = openat(l->dir, names[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_errno(e, errno, "opening the log");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, EINVAL, "the log is no file");
	}
	*ret = (struct file){.fd = fd, .inode = st.st_ino};
	return 0;
}

/* Where the file that is being read stands now, and so the next newer one: FILES when it is the
 * newest. */
static unsigned int next_name(const struct logs *l)
{
	struct stat st;

	if (l->file.fd < 0)
		return 0;
	for (unsigned int i = 0; i < FILES; i++)
		if (fstatat(l->dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_ino == l->file.inode)
			return i + 1;
	return 0; /* rotated away: all there is is newer */
}

/* Goes on to the next file, which must exist. 0, or -ENOENT when the newest is being read. */
static int advance(struct logs *l, struct err *e)
{
	struct file next;
	int r = -ENOENT;

	for (unsigned int i = next_name(l); i < FILES && r == -ENOENT; i++)
		r = open_file(l, i, &next, e);
	if (r < 0)
		return r;
	if (l->file.fd >= 0) { /* what came between the last read and the renaming */
		r = read_file(l, &l->file, e);
		if (r != 0) {
			file_close(&next);
			return r;
		}
	}
	file_close(&l->file);
	l->file = next;
	return 0;
}

static int read_all(struct logs *l, struct err *e)
{
	int r = 0;

	do {
		if (l->file.fd >= 0)
			r = read_file(l, &l->file, e);
		if (r == 0)
			r = advance(l, e);
	} while (r == 0);
	return r == -ENOENT ? 0 : r;
}

/* A first walk counts, so that the second knows what to leave out. */
static int count(struct logs *l, struct err *e)
{
	int r;

	l->printing = false;
	r = read_all(l, e);
	file_close(&l->file);
	l->printing = true;
	l->skip = l->lines > l->setup.tail ? l->lines - l->setup.tail : 0;
	l->setup.tail = UINT64_MAX;
	return r < 0 ? r : 0;
}

int logs_print(struct logs *l, struct err *e)
{
	int r = l->setup.tail == UINT64_MAX ? 0 : count(l, e);

	if (r == 0)
		r = read_all(l, e);
	fflush(stdout);
	fflush(stderr);
	return r;
}

void logs_finish(struct logs *l)
{
	FILE *const out[] = {stdout, stderr};

	for (int i = 0; i < 2; i++) {
		if (l->held[i].n > 0)
			fwrite(l->held[i].text, 1, l->held[i].n, out[i]);
		l->held[i].n = 0;
		fflush(out[i]);
	}
}
