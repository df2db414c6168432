/* SPDX-License-Identifier: MIT */
/*
 * export: files of the container to a tar stream; see visit.h. The container's processes may change
 * what is there meanwhile.
 */
#include <unistd.h>

#include "tree.h"
#include "visit.h"

static int send(const struct tree_place *from, const char *as, struct err *e)
{
	static const struct tree_pack_options o = {.devices = true};
	_cleanup_pack_ struct tree_pack *p = NULL;
	int r = tree_pack_open(STDOUT_FILENO, &o, &p, e);

	if (r == 0)
		r = tree_pack_add(p, from, as, e);
	return r < 0 ? r : tree_pack_end(p, e);
}

int visit_export(const struct visit *v, struct err *e)
{
	const struct tree_place all = {.kind = TREE_DIR, .dir = v->root, .parent = -1};

	return send(&all, "", e);
}
