/* SPDX-License-Identifier: MIT */
/*
 * The channel; see channel.h. It trusts the supervisor to be who it is, and no frame to be
 * well-formed.
 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "text.h"

#define CHANNEL_FD     3
#define LINE_MAX_BYTES (1U << 20)
#define READ_BYTES     4096

int channel_open(struct channel *c, bool text, struct err *e)
{
	int type = 0;
	socklen_t n = sizeof(type);

	*c = (struct channel){.text = text, .fd = text ? STDIN_FILENO : CHANNEL_FD, .next_id = 1};
	if (text)
		return 0;
	if (getsockopt(CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_SEQPACKET)
		return err_set(e, EBADF, "descriptor %d is not a channel; --debug runs without one",
			CHANNEL_FD);
	fd_set_cloexec(CHANNEL_FD, true);
	return 0;
}

static int read_text(struct channel *c, struct err *e)
{
	char *more = realloc(c->line, c->n + READ_BYTES + 1);
	ssize_t n;

	if (!more)
		return err_set(e, ENOMEM, "out of memory");
	c->line = more;
	n = read(c->fd, c->line + c->n, READ_BYTES);
	if (n < 0)
		return -errno;
	if (n == 0 && c->n == 0)
		return -ENODATA;
	if (n == 0) /* the last line may lack its newline */
		c->line[c->n++] = '\n';
	c->n += (size_t)n;
	if (c->n > LINE_MAX_BYTES)
		return err_set(e, EMSGSIZE, "a line of more than %u bytes", LINE_MAX_BYTES);
	return 0;
}

bool channel_more(const struct channel *c)
{
	return c->n > 0 && memchr(c->line, '\n', c->n);
}

static int next_line(struct channel *c, struct frame *ret, struct err *e)
{
	char *end = memchr(c->line, '\n', c->n);
	size_t used = (size_t)(end - c->line) + 1;
	int r;

	*end = '\0';
	r = c->line[strspn(c->line, " \t\r")] == '\0' || c->line[0] == '#'
		    ? -EAGAIN
		    : text_parse(c->line, c->next_id++, ret, e);
	c->n -= used;
	memmove(c->line, c->line + used, c->n);
	return r;
}

int channel_recv(struct channel *c, struct frame *ret, struct err *e)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!c->text)
		return frame_recv(c->fd, ret, e);
	if (!channel_more(c)) {
		r = read_text(c, e);
		if (r < 0)
			return r;
	}
	return channel_more(c) ? next_line(c, ret, e) : -EAGAIN;
}

static void print(enum msg_type type, const void *msg)
{
	char *line = NULL;

	if (text_print(type, msg, &line) < 0)
		return;
	if (fd_write_all(STDOUT_FILENO, line, strlen(line)) == 0)
		fd_write_all(STDOUT_FILENO, "\n", 1);
	free(line);
}

void channel_send(struct channel *c, enum msg_type type, uint32_t id, const void *msg)
{
	struct err e = {0};

	if (c->text)
		print(type, msg);
	else if (c->fd >= 0 && frame_send(c->fd, type, id, msg, &e) < 0 && e.code != EPIPE)
		log_warn("%s", e.text);
}

void channel_done(struct channel *c, uint32_t id)
{
	struct done m = {0};

	channel_send(c, MSG_done, id, &m);
}

void channel_failed(struct channel *c, uint32_t id, const struct err *why)
{
	struct failed m = {.code = (uint32_t)why->code, .text = why->text};

	log_debug("failed: %s", why->text);
	channel_send(c, MSG_failed, id, &m);
}
