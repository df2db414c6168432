/* SPDX-License-Identifier: MIT */
/*
 * ctl's end of the engine's socket; see client.h. Trusts the engine as far as the codec checks it.
 */
#include "client.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define DOCUMENT_MAX (4U << 20)

void incoming_free(struct incoming *in)
{
	frame_free(&in->frame);
}

/* Whose engine it is stands on its socket. */
static int not_a_member(const char *path, int code, struct err *e)
{
	const struct passwd *pw = getpwuid(geteuid());
	const struct group *gr;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(e, code, "cannot reach the engine at %s: permission denied", path);
	if (!(st.st_mode & S_IWGRP))
		return err_set(e, code,
			"cannot reach the engine at %s: only root may use it; with a group bulkhead, its members may too",
			path);
	gr = getgrgid(st.st_gid);
	if (!gr)
		return err_set(e, code,
			"cannot reach the engine at %s: only root and members of group %u may use it",
			path, st.st_gid);
	return err_set(e, code,
		"cannot reach the engine at %.100s: you are not in group %.32s; root adds you by: usermod -aG %.32s %.32s, then log in anew",
		path, gr->gr_name, gr->gr_name, pw ? pw->pw_name : "USER");
}

/* The installed engine is its service manager's to start. */
static const char *what_starts(const char *path)
{
	static const char *const units[] = {"/etc/systemd/system/bulkhead.service",
		"/usr/local/lib/systemd/system/bulkhead.service",
		"/usr/lib/systemd/system/bulkhead.service"};

	/* sd_booted(3) */
	if (strcmp(path, SOCKET_DEFAULT) == 0 && access("/run/systemd/system", F_OK) == 0)
		for (unsigned int i = 0; i < ARRAY_LEN(units); i++)
			if (access(units[i], F_OK) == 0)
				return "systemctl start bulkhead";
	return "supervisor";
}

static int cannot_reach(const char *path, int code, struct err *e)
{
	const char *words = strerrordesc_np(code);

	if (code == EACCES || code == EPERM)
		return not_a_member(path, code, e);
	return err_set(e, code, "cannot reach the engine at %s: %s; start it with: %s", path,
		code == ENOENT ? "no such socket" : words, what_starts(path));
}

int client_open(struct client *c, const char *path, struct err *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, ENAMETOOLONG, "the socket's path is too long: %.120s", path);
	strcpy(addr.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_errno(e, errno, "socket");
	if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = cannot_reach(path, errno, e);
		client_close(c);
		return r;
	}
	return 0;
}

void client_close(struct client *c)
{
	fd_close(&c->fd);
}

/* A unix socket tells first that its peer closed with something unread (ECONNRESET, once), and what
 * that peer had said before only when asked again. */
static int last_words(struct client *c, struct frame *ret, struct err *e)
{
	int r = frame_recv(c->fd, ret, e);

	return r == -ECONNRESET ? frame_recv(c->fd, ret, e) : r;
}

/* An engine that takes no more connections says so, as answer 0, and hangs up. */
static int hung_up(struct client *c, struct err *e)
{
	struct incoming in = {0};
	int r = last_words(c, &in.frame, e);

	if (r == 0 && in.frame.type == MSG_failed && in.frame.id == 0 &&
		frame_decode(&in.frame, &in.msg, e) == 0)
		r = client_failure(&in.msg.failed, e);
	else
		r = err_set(e, ECONNRESET, "the engine has hung up");
	incoming_free(&in);
	return r;
}

int client_send(
	struct client *c, enum msg_type type, const void *msg, uint32_t *ret_id, struct err *e)
{
	int r = frame_send(c->fd, type, ++c->last_id, msg, e);

	*ret_id = c->last_id;
	return r == -EPIPE || r == -ECONNRESET ? hung_up(c, e) : r;
}

int client_receive(struct client *c, struct incoming *ret, struct err *e)
{
	const struct msg_row *row;
	int r;

	r = last_words(c, &ret->frame, e);
	if (r == -ENODATA || r == -ECONNRESET)
		return err_set(e, ECONNRESET, "the engine has hung up");
	if (r < 0)
		return r == -EBADMSG ? err_prefix(e, "the engine sent")
				     : err_errno(e, r, "receiving");
	r = frame_check(&ret->frame, SUPERVISOR, CTL, e);
	if (r < 0)
		return r;
	row = msg_row(ret->frame.type);
	if (row->schema->size > sizeof(ret->msg))
		return err_set(e, EBADMSG, "the engine sent %s", row->schema->name);
	return frame_decode(&ret->frame, &ret->msg, e);
}

int client_failure(const struct failed *m, struct err *e)
{
	return err_set(e, m->code ? (int)m->code : EIO, "%s", m->text);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_readable(struct client *c, int64_t until, struct err *e)
{
	for (;;) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		int64_t left = until ? until - now_ms() : -1;
		int r;

		if (until && left <= 0)
			return err_set(e, ETIMEDOUT, "the engine does not answer");
		r = poll(&p, 1, (int)left);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_errno(e, errno, "poll");
	}
}

int client_await(struct client *c, uint32_t id, enum msg_type want, unsigned int seconds,
	struct incoming *ret, struct err *e)
{
	int64_t until = seconds ? now_ms() + (int64_t)seconds * 1000 : 0;
	int r;

	for (;; frame_free(&ret->frame)) {
		memset(ret, 0, sizeof(*ret));
		r = wait_readable(c, until, e);
		if (r == 0)
			r = client_receive(c, ret, e);
		if (r < 0)
			return r;
		if (msg_row(ret->frame.type)->kind == EVENT) {
			if (c->on_event)
				c->on_event(c->event_arg, ret->frame.type, &ret->msg);
			continue;
		}
		if (ret->frame.id != id && (ret->frame.type != MSG_failed || ret->frame.id != 0))
			continue;
		if (ret->frame.type == MSG_failed)
			return client_failure(&ret->msg.failed, e);
		if (ret->frame.type == want)
			return 0;
		return err_set(
			e, EBADMSG, "the engine answered with %s", msg_name(ret->frame.type));
	}
}

int client_call(struct client *c, enum msg_type type, const void *msg, unsigned int seconds,
	struct incoming *ret, struct err *e)
{
	uint32_t id;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = client_send(c, type, msg, &id, e);
	return r < 0 ? r : client_await(c, id, msg_row(type)->reply, seconds, ret, e);
}

int client_document(const struct schema *s, int fd, struct arena *a, void *dst, uint8_t **ret_buf,
	struct err *e)
{
	size_t n;
	int r;

	*ret_buf = NULL;
	r = fd_memfd_read(fd, DOCUMENT_MAX, ret_buf, &n);
	if (r < 0)
		return err_errno(e, r, "the engine's %s record", s->name);
	return codec_decode(s, *ret_buf, n, NULL, 0, a, dst, e);
}

int client_seal(const struct schema *s, const void *document, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;
	int r;

	r = codec_encode(s, document, DOCUMENT_MAX, NULL, &buf, &n, e);
	if (r < 0)
		return r;
	r = fd_memfd_sealed(s->name, buf, n);
	return r < 0 ? err_errno(e, r, "memfd") : r;
}
