/* SPDX-License-Identifier: MIT */
/*
 * The directory image of a pull (layer_dirs.h): asked of an unpack worker when all layers are here
 * and an upper one leaves directories out. What the worker writes is for the kernel alone. Runs in
 * the mounter.
 */
#include "pull_impl.h"

#include <errno.h>

#include "../proto/base/fd.h"
#include "rootfs.h"

#define STALL_MS 120000

static void dirs_failed(struct pull *p, struct err *why)
{
	err_prefix(why, "directories of image %.19s", p->image.id);
	pull_fail(p, why);
}

static void forget_file(struct pull *p)
{
	if (*p->dirs_tmp)
		store_layer_abort(p->all->store, p->dirs_tmp);
	*p->dirs_tmp = '\0';
}

static void on_unpacked_dirs(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct unpacked_dirs *m = msg;
	struct pull *p = arg;
	struct err why;

	(void)f;
	worker_put(p->dirs_worker);
	p->dirs_worker = NULL;
	watch_free(p->dirs_stall);
	p->dirs_stall = NULL;
	p->dirs_settled = m != NULL;
	p->dirs_bytes = m ? m->image_bytes : 0;
	if (!m || m->dirs == 0)
		forget_file(p);
	if (e) {
		why = *e;
		if (e->code == ECONNRESET)
			err_set(&why, e->code, "the unpack worker has ended unexpectedly");
		dirs_failed(p, &why);
	}
	pulls_kick(p->all);
}

static void on_stall(void *arg)
{
	struct pull *p = arg;
	struct err e;

	err_set(&e, ETIMEDOUT, "no answer for %d seconds", STALL_MS / 1000);
	dirs_failed(p, &e);
}

static int open_layers(const struct pull *p, int *fds, uint32_t *n, struct err *e)
{
	for (uint32_t i = rootfs_lowest_layer(&p->image); i < p->image.layers.n; i++) {
		int r = store_open_layer(p->all->store, p->image.layers.v[i].digest, e);

		if (r < 0)
			return r;
		fds[(*n)++] = r;
	}
	return 0;
}

static void dirs_start(struct pull *p)
{
	int layers[ROOTFS_LAYERS_MAX], out = -1;
	MSG_DECLARE(unpack_dirs, m);
	struct err e;

	p->dirs_worker = workers_get(p->all->workers, WORKER_UNPACK);
	if (!p->dirs_worker)
		return;
	m.layers.v = layers;
	if (open_layers(p, layers, &m.layers.n, &e) == 0)
		out = store_layer_begin(p->all->store, p->image.id, p->dirs_tmp, &e);
	if (out >= 0) {
		m.out = out;
		chan_request(
			worker_chan(p->dirs_worker), MSG_unpack_dirs, &m, 0, on_unpacked_dirs, p);
		p->dirs_stall = loop_timer(p->all->loop, STALL_MS, on_stall, p);
	} else {
		*p->dirs_tmp = '\0';
		worker_put(p->dirs_worker);
		p->dirs_worker = NULL;
		dirs_failed(p, &e);
	}
	while (m.layers.n > 0)
		fd_close(&layers[--m.layers.n]);
	fd_close(&out);
}

/* What a recorded image has was decided when it was first pulled. */
static bool dirs_needed(struct pull *p)
{
	struct image *image = &p->image;

	if (store_by_id(p->all->store, image->id))
		return false;
	for (uint32_t i = 0; i < image->layers.n; i++)
		store_know_layer(p->all->store, &image->layers.v[i]);
	for (uint32_t i = rootfs_lowest_layer(image) + 1; i < image->layers.n; i++)
		if (image->layers.v[i].implied > 0)
			return true;
	return false;
}

bool pull_dirs_step(struct pull *p)
{
	if (p->dirs_settled || p->dirs_worker)
		return p->dirs_settled;
	p->dirs_settled = !dirs_needed(p);
	if (!p->dirs_settled)
		dirs_start(p);
	return p->dirs_settled;
}

int pull_dirs_keep(struct pull *p, struct err *e)
{
	int r = 0;

	if (!*p->dirs_tmp)
		return 0;
	if (!store_by_id(p->all->store, p->image.id)) {
		r = store_dirs_commit(p->all->store, p->dirs_tmp, p->dirs_bytes, p->image.id, e);
		p->image.dirs = r == 0;
		*p->dirs_tmp = '\0';
	}
	forget_file(p);
	if (r < 0)
		err_prefix(e, "directories of image %.19s", p->image.id);
	return r;
}

void pull_dirs_drop(struct pull *p)
{
	forget_file(p);
	if (p->image.dirs)
		store_dirs_release(p->all->store, p->image.id);
}
