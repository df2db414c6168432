/* SPDX-License-Identifier: MIT */
/*
 * Pumping streams; see io.h. Runs in the shim. Bytes are passed on and logged, never looked at;
 * clients may be slow, dead or hostile.
 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "clock.h"
#include "pty.h"

#define PIPE_WANTED (1 << 20)
#define REST_MAX    (4U << 20) /* a pipe's largest default and more */

struct rest { /* what a client hasn't taken yet */
	uint8_t *p;
	size_t n, at;
};

struct io_client {
	struct io_client *next;
	struct io *io;
	bool owner_of_input;
	struct source in, out[2];
	struct rest rest[2];
};

static const char *const stream_names[2] = {"stdout", "stderr"};

void io_init(struct io *io, int epoll, uint8_t *chunk, void *owner, void (*on_done)(struct io *io))
{
	*io = (struct io){.epoll = epoll,
		.chunk = chunk,
		.owner = owner,
		.on_done = on_done,
		.out = {{.fd = -1}, {.fd = -1}},
		.in = {.fd = -1}};
}

/* ---- clients ---- */

static bool stalled(const struct io *io, int k)
{
	for (const struct io_client *c = io->clients; c; c = c->next)
		if (c->rest[k].n > 0)
			return true;
	return false;
}

static void pace(struct io *io)
{
	for (int k = 0; k < 2; k++)
		if (!stalled(io, k))
			source_set(&io->out[k], io->epoll, EPOLLIN);
}

static void client_free_if_gone(struct io_client *c)
{
	struct io_client **p = &c->io->clients;

	if (c->in.fd >= 0 || c->out[0].fd >= 0 || c->out[1].fd >= 0)
		return;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	free(c);
}

static void drop_out(struct io_client *c, int k)
{
	source_close(&c->out[k], c->io->epoll);
	free(c->rest[k].p);
	c->rest[k] = (struct rest){0};
}

/* n bytes to a client: 0 when all is on its way or kept, -EPIPE when the client is gone. */
static int client_send(struct io_client *c, int k, const uint8_t *p, size_t n)
{
	struct rest *r = &c->rest[k];
	uint8_t *more;

	while (r->n == 0 && n > 0) {
		ssize_t w = write(c->out[k].fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno != EAGAIN)
			return -EPIPE;
		if (w < 0)
			break;
		p += w;
		n -= (size_t)w;
	}
	if (n == 0)
		return 0;
	more = r->n + n > REST_MAX ? NULL : realloc(r->p, r->at + r->n + n);
	if (!more)
		return -EPIPE;
	r->p = more;
	memcpy(r->p + r->at + r->n, p, n);
	r->n += n;
	source_set(&c->out[k], c->io->epoll, EPOLLOUT);
	return 0;
}

static void finish_if_done(struct io *io)
{
	if (!io->ended || io->give_up_ns == 0 || stalled(io, 0) || stalled(io, 1))
		return;
	io_close(io);
	io->on_done(io);
}

static void client_flush(struct io_client *c, int k)
{
	struct rest *r = &c->rest[k];
	ssize_t w = write(c->out[k].fd, r->p + r->at, r->n);

	if (w < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (w < 0) {
		drop_out(c, k);
		return;
	}
	r->at += (size_t)w;
	r->n -= (size_t)w;
	if (c->io->give_up_ns)
		c->io->give_up_ns = clock_mono_ns() + IO_PATIENCE_MS * 1000000ULL;
	if (r->n > 0)
		return;
	free(r->p);
	*r = (struct rest){0};
	source_set(&c->out[k], c->io->epoll, 0);
}

static void on_client_out(struct source *s, uint32_t events)
{
	struct io_client *c = s->owner;
	struct io *io = c->io;
	int k = s == &c->out[1];

	if (events & EPOLLERR)
		drop_out(c, k);
	else if (events & EPOLLOUT && c->rest[k].n > 0)
		client_flush(c, k);
	else if (events & EPOLLHUP)
		drop_out(c, k);
	client_free_if_gone(c);
	pace(io);
	finish_if_done(io);
}

/* ---- input ---- */

/* Clients are read while the process takes what they say. */
static void input_pace(struct io *io)
{
	for (struct io_client *c = io->clients; c; c = c->next)
		if (io->in.fd >= 0 && io->in_n == 0)
			source_set(&c->in, io->epoll, EPOLLIN);
		else
			source_pause(&c->in, io->epoll);
}

static void input_close(struct io *io)
{
	struct io_client *next;

	source_close(&io->in, io->epoll);
	free(io->in_rest);
	io->in_rest = NULL;
	io->in_n = 0;
	for (struct io_client *c = io->clients; c; c = next) {
		next = c->next;
		source_close(&c->in, io->epoll);
		client_free_if_gone(c);
	}
}

static int input_keep(struct io *io, const uint8_t *p, size_t n)
{
	io->in_rest = malloc(n);
	if (!io->in_rest)
		return -ENOMEM;
	memcpy(io->in_rest, p, n);
	io->in_n = n;
	io->in_at = 0;
	source_set(&io->in, io->epoll, EPOLLOUT);
	input_pace(io);
	return 0;
}

static void input_pass(struct io *io, const uint8_t *p, size_t n)
{
	ssize_t w;

	do
		w = write(io->in.fd, p, n);
	while (w < 0 && errno == EINTR);
	if (w < 0 && errno == EAGAIN)
		w = 0;
	if (w < 0 || ((size_t)w < n && input_keep(io, p + w, n - (size_t)w) < 0))
		input_close(io);
}

static void on_client_in(struct source *s, uint32_t events)
{
	struct io_client *c = s->owner;
	struct io *io = c->io;
	bool last = c->owner_of_input && !io->tty;
	ssize_t n = read(s->fd, io->chunk, IO_CHUNK);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		return input_pass(io, io->chunk, (size_t)n);
	source_close(s, io->epoll);
	client_free_if_gone(c);
	if (last)
		input_close(io);
}

static void on_in(struct source *s, uint32_t events)
{
	struct io *io = s->owner;
	ssize_t w;

	if (events & (EPOLLERR | EPOLLHUP) || io->in_n == 0)
		return input_close(io);
	w = write(s->fd, io->in_rest + io->in_at, io->in_n);
	if (w < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (w < 0)
		return input_close(io);
	io->in_at += (size_t)w;
	io->in_n -= (size_t)w;
	if (io->in_n > 0)
		return;
	free(io->in_rest);
	io->in_rest = NULL;
	source_set(s, io->epoll, 0);
	input_pace(io);
}

/* ---- output ---- */

static void keep_output(struct io_kept *kept, const uint8_t *p, size_t n)
{
	size_t room = MIN(n, (size_t)(kept->max - kept->n));

	memcpy(kept->p + kept->n, p, room);
	kept->n += (uint32_t)room;
	kept->cut = kept->cut || room < n;
}

static void spread(struct io *io, int k, size_t n)
{
	struct io_client *next;

	if (io->log)
		outlog_write(io->log, stream_names[k], clock_now_ns(), io->chunk, n);
	if (io->kept)
		keep_output(io->kept, io->chunk, n);
	for (struct io_client *c = io->clients; c; c = next) {
		next = c->next;
		if (c->out[k].fd >= 0 && client_send(c, k, io->chunk, n) < 0)
			drop_out(c, k);
		client_free_if_gone(c);
	}
}

/* true while there may be more. A terminal without a process behind it reads as EIO. */
static bool pump(struct io *io, int k)
{
	ssize_t n = read(io->out[k].fd, io->chunk, IO_CHUNK);

	if (n > 0) {
		spread(io, k, (size_t)n);
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n == 0 || errno != EAGAIN)
		source_close(&io->out[k], io->epoll);
	return false;
}

static void on_out(struct source *s, uint32_t events)
{
	struct io *io = s->owner;
	int k = s == &io->out[1];

	(void)events;
	pump(io, k);
	if (stalled(io, k))
		source_pause(s, io->epoll);
}

/* ---- life ---- */

static int open_source(struct io *io, struct source *s, int fd, uint32_t events,
	void (*fn)(struct source *, uint32_t), struct err *e)
{
	int r = fd_set_nonblock(fd, true);

	if (r == 0)
		r = source_open(s, io->epoll, fd, events, fn, io);
	return r < 0 ? err_errno(e, r, "watching the process's streams") : 0;
}

int io_open(struct io *io, const int *fds, uint32_t n, bool tty, bool has_in, struct err *e)
{
	uint32_t i = 0;
	int r = 0;

	io->tty = tty;
	if (tty) /* one file, watched in both directions: epoll wants two descriptors */
		r = open_source(io, &io->in, fcntl(fds[0], F_DUPFD_CLOEXEC, 3), 0, on_in, e);
	else if (has_in && n > 0)
		r = open_source(io, &io->in, fds[i++], 0, on_in, e);
	for (int k = 0; k < 2 && i < n && r == 0; k++)
		r = open_source(io, &io->out[k], fds[i++], EPOLLIN, on_out, e);
	io->opened = true;
	if (io->in.fd < 0)
		input_close(io);
	input_pace(io);
	return r;
}

static bool is_stream(int fd)
{
	struct stat st;

	return fd < 0 || (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)));
}

static unsigned int count(const struct io *io)
{
	unsigned int n = 0;

	for (const struct io_client *c = io->clients; c; c = c->next)
		n++;
	return n;
}

static int open_client(struct io_client *c, const int fds[3])
{
	int epoll = c->io->epoll, r = 0;

	for (int i = 0; i < 3; i++) {
		struct source *s = i == 0 ? &c->in : &c->out[i - 1];

		if (fds[i] < 0)
			continue;
		fd_set_nonblock(fds[i], true);
		if (r == 0)
			r = source_open(
				s, epoll, fds[i], 0, i == 0 ? on_client_in : on_client_out, c);
		else
			close(fds[i]);
	}
	if (c->io->opened && c->io->in.fd < 0)
		source_close(&c->in, epoll);
	input_pace(c->io);
	return r;
}

int io_attach(struct io *io, int in, int out, int err, bool owner_of_input, struct err *e)
{
	const int fds[3] = {in, out, err};
	struct io_client *c = NULL;
	int r = 0;

	if (in < 0 && out < 0 && err < 0)
		return 0;
	if (!is_stream(in) || !is_stream(out) || !is_stream(err))
		r = err_set(e, EINVAL, "a client's streams must be pipes or sockets");
	else if (count(io) >= IO_CLIENTS_MAX)
		r = err_set(e, EBUSY, "%d clients are attached already", IO_CLIENTS_MAX);
	else if (!(c = calloc(1, sizeof(*c))))
		r = err_set(e, ENOMEM, "out of memory");
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		return r;
	}
	*c = (struct io_client){.next = io->clients,
		.io = io,
		.owner_of_input = owner_of_input,
		.in = {.fd = -1},
		.out = {{.fd = -1}, {.fd = -1}}};
	io->clients = c;
	r = open_client(c, fds);
	client_free_if_gone(c);
	return r < 0 ? err_errno(e, r, "watching a client") : 0;
}

/* Room in the client's own pipe is the best place for what is left: the shim need not wait for it.
 */
static void make_room(struct io *io)
{
	for (struct io_client *c = io->clients; c; c = c->next)
		for (int k = 0; k < 2; k++)
			if (c->rest[k].n > 0 && fcntl(c->out[k].fd, F_SETPIPE_SZ, PIPE_WANTED) > 0)
				client_flush(c, k);
}

void io_finish(struct io *io)
{
	if (io->ended)
		return;
	io->ended = true;
	input_close(io);
	for (int k = 0; k < 2; k++) {
		while (io->out[k].fd >= 0 && pump(io, k))
			;
		source_close(&io->out[k], io->epoll);
	}
	make_room(io);
	io->give_up_ns = clock_mono_ns() + IO_PATIENCE_MS * 1000000ULL;
	finish_if_done(io);
}

void io_expire(struct io *io, uint64_t now_ns)
{
	if (io->give_up_ns == 0 || now_ns < io->give_up_ns)
		return;
	io_close(io);
	io->on_done(io);
}

void io_close(struct io *io)
{
	struct io_client *next;

	input_close(io);
	for (int k = 0; k < 2; k++)
		source_close(&io->out[k], io->epoll);
	for (struct io_client *c = io->clients; c; c = next) {
		next = c->next;
		drop_out(c, 0);
		drop_out(c, 1);
		client_free_if_gone(c);
	}
	io->give_up_ns = 0;
}

int io_resize(struct io *io, uint32_t rows, uint32_t cols, struct err *e)
{
	int r;

	if (!io->tty || io->out[0].fd < 0)
		return err_set(e, ENOTTY, "it has no terminal");
	r = pty_resize(io->out[0].fd, rows, cols);
	return r < 0 ? err_errno(e, r, "resizing the terminal") : 0;
}
