/* SPDX-License-Identifier: MIT */
/*
 * Batches of netlink requests. Runs in netd, also on sockets that a container's first process
 * opened and may still hold: it can read our answers before us or have others sent to the socket.
 * Hence no blocking call, only messages from the kernel count, and a bound on their number.
 */
#include "batch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define ANSWERS_MAX 64	  /* datagrams read for one batch */
#define ANSWER_SIZE 16384 /* more than any link message here */

void batch_add(struct batch *b, struct nl_msg *msg, const char *what)
{
	if (!msg || b->n == BATCH_MAX) {
		nlmsg_free(msg);
		b->no_memory = true;
		return;
	}
	b->req[b->n].msg = msg;
	b->req[b->n++].what = what;
}

void batch_free(struct batch *b)
{
	for (unsigned int i = 0; i < b->n; i++)
		nlmsg_free(b->req[i].msg);
	b->n = 0;
	b->no_memory = false;
}

int batch_socket(int protocol, struct err *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), on = 1;

	if (fd < 0)
		return err_errno(e, errno, "netlink socket");
	/* Without it the kernel copies the request into every error. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return fd;
}

/* Requests are numbered 1..n; the last is acknowledged whatever happens. */
static int send_all(struct batch *b, int fd, struct err *e)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct iovec iov[BATCH_MAX];
	struct msghdr mh = {.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
		.msg_iov = iov,
		.msg_iovlen = b->n};

	for (unsigned int i = 0; i < b->n; i++) {
		struct nlmsghdr *h = nlmsg_hdr(b->req[i].msg);

		h->nlmsg_seq = i + 1;
		h->nlmsg_pid = 0;
		h->nlmsg_flags |= NLM_F_REQUEST;
		if (i + 1 == b->n)
			h->nlmsg_flags |= NLM_F_ACK;
		iov[i] = (struct iovec){h, NLMSG_ALIGN(h->nlmsg_len)};
	}
	if (sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_errno(e, errno, "netlink");
	return 0;
}

/* One datagram into buf; its length, 0 when it isn't the kernel's. */
static ssize_t receive(int fd, void *buf, struct err *e)
{
	struct sockaddr_nl from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, ANSWER_SIZE, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return err_set(e, EPROTO, "the kernel's answer is missing from the netlink socket");
	if (n < 0)
		return err_errno(e, errno, "netlink");
	return from.nl_pid == 0 ? n : 0;
}

struct outcome {
	bool complete;
	int failed; /* the first errno, 0 when none */
	const char *what;
};

static void on_ack(struct batch *b, struct nlmsghdr *h, struct outcome *o)
{
	struct nlmsgerr *ack = nlmsg_data(h);
	uint32_t seq = h->nlmsg_seq;

	if (nlmsg_datalen(h) < (int)sizeof(ack->error) || seq < 1 || seq > b->n)
		return;
	if (ack->error && !o->failed) {
		o->failed = -ack->error;
		o->what = b->req[seq - 1].what;
	}
	o->complete |= seq == b->n;
}

static int read_answers(struct batch *b, int fd, void (*answer)(void *, struct nlmsghdr *),
	void *arg, struct outcome *o, struct err *e)
{
	_Alignas(struct nlmsghdr) char buf[ANSWER_SIZE];

	for (int i = 0; i < ANSWERS_MAX && !o->complete; i++) {
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		ssize_t got = receive(fd, buf, e);
		int left = (int)got;

		if (got < 0)
			return (int)got;
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				on_ack(b, h, o);
			else if (answer && h->nlmsg_seq >= 1 && h->nlmsg_seq <= b->n)
				answer(arg, h);
		}
	}
	return o->complete ? 0 : err_set(e, EPROTO, "no end to the answers on the netlink socket");
}

int batch_run(struct batch *b, int fd, void (*answer)(void *, struct nlmsghdr *), void *arg,
	struct err *e)
{
	struct outcome o = {0};
	int r = 0;

	if (b->no_memory)
		r = err_errno(e, ENOMEM, "netlink message");
	else if (b->n)
		r = send_all(b, fd, e);
	if (!r && b->n)
		r = read_answers(b, fd, answer, arg, &o, e);
	if (!r && o.failed)
		r = err_errno(e, o.failed, "%s", o.what);
	batch_free(b);
	return r;
}
