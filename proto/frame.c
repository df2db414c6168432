/* SPDX-License-Identifier: MIT */
/*
 * Frames on a socket; see frame.h. Runs in every process, on bytes from any other.
 */
#include "frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cursor.h"

#define HEADER_MAX 16

void frame_free(struct frame *f)
{
	for (uint32_t i = 0; i < f->n_fds; i++)
		fd_close(&f->fds[i]);
	f->n_fds = 0;
	free(f->buf);
	f->buf = NULL;
	arena_free(&f->arena);
}

int frame_take_fd(struct frame *f, int fd)
{
	for (uint32_t i = 0; i < f->n_fds; i++)
		if (fd >= 0 && f->fds[i] == fd)
			return take_fd(&f->fds[i]);
	return -1;
}

/* [type, id, …: an array header and two numbers, in at most HEADER_MAX bytes. */
static size_t put_header(uint8_t *p, uint32_t type, uint32_t id)
{
	const uint8_t head[] = {0x93, 0xce, (uint8_t)(type >> 24), (uint8_t)(type >> 16),
		(uint8_t)(type >> 8), (uint8_t)type, 0xce, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
		(uint8_t)(id >> 8), (uint8_t)id};

	memcpy(p, head, sizeof(head));
	return sizeof(head);
}

int frame_encode(
	enum msg_type type, uint32_t id, const void *msg, struct frame_out *ret, struct err *e)
{
	_cleanup_free_ uint8_t *body = NULL;
	const struct msg_row *row = msg_row(type);
	uint8_t head[HEADER_MAX], *p;
	size_t n, h = put_header(head, type, id);
	int r;

	r = codec_encode(row->schema, msg, FRAME_MAX - h, &ret->fds, &body, &n, e);
	if (r < 0)
		return r;
	p = realloc(body, n + h);
	if (!p)
		return err_set(e, ENOMEM, "%s: out of memory", row->schema->name);
	body = p;
	memmove(body + h, body, n);
	memcpy(body, head, h);
	ret->len = n + h;
	ret->buf = TAKE_PTR(body);
	return 0;
}

int frame_send_raw(int fd, const uint8_t *buf, size_t len, const int *fds, uint32_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
	} control;
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t w;

	if (n_fds > 0) {
		struct cmsghdr *c = &control.align;

		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		memset(&control, 0, mh.msg_controllen);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		w = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (w < 0 && errno == EINTR);
	return w < 0 ? -errno : 0;
}

/* The kernel fills up the padding behind one descriptor with a second one. */
static int only_fd(struct msghdr *mh)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	int v[CMSG_SPACE(sizeof(int)) / sizeof(int)];
	size_t n;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(v, CMSG_DATA(c), n * sizeof(int));
	if (n == 1)
		return v[0];
	while (n-- > 0)
		fd_close(&v[n]);
	return -EBADMSG;
}

static ssize_t receive_once(int fd, struct msghdr *mh)
{
	ssize_t n;

	do
		n = recvmsg(fd, mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int frame_recv_raw(int fd, void *buf, size_t len, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {buf, len};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	*ret_fd = -1;
	n = receive_once(fd, &mh);
	if (n < 0)
		return (int)n;
	*ret_fd = only_fd(&mh);
	if (n == 0 && *ret_fd == -1)
		return -ENODATA;
	if ((size_t)n != len || *ret_fd == -EBADMSG || mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fd_close(ret_fd);
		return -EBADMSG;
	}
	return 0;
}

int frame_send(int fd, enum msg_type type, uint32_t id, const void *msg, struct err *e)
{
	struct frame_out out;
	int r = frame_encode(type, id, msg, &out, e);

	if (r < 0)
		return r;
	r = frame_send_raw(fd, out.buf, out.len, out.fds.v, out.fds.n);
	free(out.buf);
	return r < 0 ? err_errno(e, r, "sending %s", msg_name(type)) : 0;
}

int frame_send_failed(int fd, uint32_t id, const struct err *why)
{
	struct failed m = {.code = (uint32_t)why->code, .text = why->text};

	return frame_send(fd, MSG_failed, id, &m, NULL);
}

/* Every received descriptor is taken in before anything is judged: none may leak. */
static void collect_fds(struct msghdr *mh, struct frame *f)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		const unsigned char *p = CMSG_DATA(c);
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++, p += sizeof(int)) {
			int fd;

			memcpy(&fd, p, sizeof(fd));
			if (f->n_fds < FRAME_FDS_MAX)
				f->fds[f->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

static int read_header(struct frame *f, struct err *e)
{
	struct cursor c = {f->buf, f->buf + f->len};
	uint64_t type, id;
	uint32_t items;

	if (cursor_array(&c, &items) < 0 || items != 3 || cursor_u64(&c, &type) < 0 ||
		cursor_u64(&c, &id) < 0 || type > MSG_NUMBER_MAX || id > UINT32_MAX)
		return err_set(e, EBADMSG, "a frame without a proper header");
	f->type = (enum msg_type)type;
	f->id = (uint32_t)id;
	f->len -= (size_t)(c.p - f->buf);
	memmove(f->buf, c.p, f->len);
	return 0;
}

/* An empty frame reads like the end; behind the end there is nothing but the end. */
static bool is_over(int fd)
{
	uint8_t next;
	struct iovec iov = {&next, 1};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	return recvmsg(fd, &mh, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int receive(int fd, struct frame *f, struct err *e)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 253)]; /* SCM_MAX_FD */
	} control;
	static _Thread_local uint8_t whole[FRAME_MAX + 1];
	struct iovec iov = {whole, sizeof(whole)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	n = receive_once(fd, &mh);
	if (n < 0)
		return (int)n;
	collect_fds(&mh, f);
	if (mh.msg_flags & MSG_CTRUNC)
		return err_set(e, EBADMSG, "a frame whose descriptors were cut off");
	if (n == 0 && f->n_fds == 0 && is_over(fd))
		return -ENODATA;
	if (n == 0 || n > FRAME_MAX || mh.msg_flags & MSG_TRUNC)
		return err_set(e, EBADMSG, "a frame of a wrong length");
	f->buf = malloc((size_t)n + 1);
	if (!f->buf)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(f->buf, whole, (size_t)n);
	f->len = (size_t)n;
	return 0;
}

int frame_recv(int fd, struct frame *ret, struct err *e)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = receive(fd, ret, e);
	if (r == 0)
		r = read_header(ret, e);
	if (r < 0)
		frame_free(ret);
	return r;
}

int frame_check(const struct frame *f, enum role from, enum role to, struct err *e)
{
	const struct msg_row *row = msg_row(f->type);

	if (!row)
		return err_set(e, EBADMSG, "unknown message %u", (unsigned int)f->type);
	if (!(row->from & from) || !(row->to & to))
		return err_set(e, EBADMSG, "%s: %s may not say this to %s", row->schema->name,
			role_name(from), role_name(to));
	return 0;
}

int frame_decode(struct frame *f, void *obj, struct err *e)
{
	return codec_decode(
		msg_row(f->type)->schema, f->buf, f->len, f->fds, f->n_fds, &f->arena, obj, e);
}
