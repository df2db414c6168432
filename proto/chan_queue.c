/* SPDX-License-Identifier: MIT */
/*
 * Frames that wait for a slow peer; see chan_queue.h.
 */
#include "chan_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"

struct outgoing {
	struct outgoing *next;
	uint8_t *buf;
	size_t len;
	int *fds; /* duplicates, owned */
	uint32_t n_fds;
};

static void outgoing_free(struct outgoing *o)
{
	for (uint32_t i = 0; i < o->n_fds; i++)
		fd_close(&o->fds[i]);
	free(o->fds);
	free(o->buf);
	free(o);
}

static struct outgoing *outgoing_new(const struct frame_out *f, int *ret)
{
	struct outgoing *o = calloc(1, sizeof(*o));

	*ret = -ENOMEM;
	if (!o)
		return NULL;
	o->fds = calloc(f->fds.n + 1, sizeof(int));
	if (!o->fds) {
		free(o);
		return NULL;
	}
	for (; o->n_fds < f->fds.n; o->n_fds++) {
		o->fds[o->n_fds] = fcntl(f->fds.v[o->n_fds], F_DUPFD_CLOEXEC, 0);
		if (o->fds[o->n_fds] < 0) {
			outgoing_free(o);
			*ret = -EMFILE;
			return NULL;
		}
	}
	*ret = 0;
	return o;
}

int chan_queue_add(struct chan_queue *q, struct frame_out *f)
{
	struct outgoing *o;
	int r;

	if (q->n >= CHAN_QUEUE_MAX || q->bytes + f->len > CHAN_QUEUE_BYTES ||
		q->fds + f->fds.n > CHAN_QUEUE_FDS)
		return -ENOBUFS;
	o = outgoing_new(f, &r);
	if (!o)
		return r;
	o->buf = TAKE_PTR(f->buf);
	o->len = f->len;
	if (q->last)
		q->last->next = o;
	else
		q->first = o;
	q->last = o;
	q->n++;
	q->bytes += o->len;
	q->fds += o->n_fds;
	return 0;
}

static void drop_first(struct chan_queue *q)
{
	struct outgoing *o = q->first;

	q->first = o->next;
	if (!q->first)
		q->last = NULL;
	q->n--;
	q->bytes -= o->len;
	q->fds -= o->n_fds;
	outgoing_free(o);
}

int chan_queue_send(struct chan_queue *q, int fd)
{
	while (q->first) {
		const struct outgoing *o = q->first;
		int r = frame_send_raw(fd, o->buf, o->len, o->fds, o->n_fds);

		if (r < 0)
			return r;
		drop_first(q);
	}
	return 0;
}

void chan_queue_clear(struct chan_queue *q)
{
	while (q->first)
		drop_first(q);
}
