/* SPDX-License-Identifier: MIT */
/*
 * Asking the launcher for user namespaces that map a user's files; see engine.h. Runs in the
 * supervisor process; the owner's ids are SO_PEERCRED's.
 */
#include <errno.h>

#include "base/fd.h"
#include "engine.h"

struct idmap {
	struct idmap *next;
	uint32_t seq;
	idmap_fn fn;
	void *arg;
};

void idmaps_get(struct engine *g, const struct ctr *c, idmap_fn fn, void *arg)
{
	const struct launch_frame f = {.op = LAUNCH_IDMAP,
		.slot = c->slot,
		.seq = ++g->idmap_seq,
		.uid = c->owner,
		.gid = c->owner_gid};
	struct idmap *m = calloc(1, sizeof(*m));

	if (!m) {
		log_error("out of memory");
		abort();
	}
	*m = (struct idmap){g->idmaps, f.seq, fn, arg};
	g->idmaps = m;
	/* Without the launcher we end. */
	if (launch_send(g->launcher, &f, -1) < 0)
		log_error("the launcher does not answer");
}

void idmaps_answer(struct engine *g, const struct launch_frame *f, int ns)
{
	struct idmap **p = &g->idmaps, *m;
	struct err e;

	while (*p && (*p)->seq != f->seq)
		p = &(*p)->next;
	m = *p;
	if (m) {
		*p = m->next;
		if (ns < 0)
			err_errno(&e, f->status ? f->status : EIO, "mapping the ids of user %u",
				f->uid);
		m->fn(m->arg, ns, ns < 0 ? &e : NULL);
		free(m);
	}
	fd_close(&ns);
}
