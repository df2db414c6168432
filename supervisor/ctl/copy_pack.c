/* SPDX-License-Identifier: MIT */
/*
 * From the caller's files to a container; see copy.h.
 */
#include "copy.h"

int copy_pack(void *arg, int verdict, struct err *e)
{
	static const struct tree_pack_options o = {.devices = false};
	_cleanup_pack_ struct tree_pack *p = NULL;
	const struct copy_pack *c = arg;
	int r = tree_pack_open(c->to, &o, &p, e);

	(void)verdict;
	if (r == 0)
		r = tree_pack_add(p, &c->from, c->as, e);
	return r < 0 ? r : tree_pack_end(p, e);
}
