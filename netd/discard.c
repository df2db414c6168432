/* SPDX-License-Identifier: MIT */
/*
 * Links deleted by group. Nobody's else are in it: its number was drawn for this request, from
 * where nobody who chooses numbers for groups would. Runs in netd.
 */
#include "discard.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "batch.h"
#include "rt.h"

static int put_in_group(struct discard *d, uint32_t group, int rtnl, struct err *e)
{
	for (unsigned int i = 0; i < d->n; i += BATCH_MAX) {
		_cleanup_batch_ struct batch b = {0};
		int r;

		for (unsigned int k = i; k < d->n && k < i + BATCH_MAX; k++)
			batch_add(&b, rt_link_group(d->names[k], group), d->names[k]);
		r = batch_run(&b, rtnl, NULL, NULL, e);
		if (r < 0 && r != -ENODEV)
			return r;
	}
	return 0;
}

int discard_run(struct discard *d, int rtnl, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};
	uint32_t group;
	int r;

	if (!d->n)
		return 0;
	if (getrandom(&group, sizeof(group), 0) != sizeof(group))
		return err_errno(e, errno, "random numbers");
	group = (group | 1U << 30) & INT32_MAX;
	r = put_in_group(d, group, rtnl, e);
	d->n = 0;
	if (r < 0)
		return r;
	batch_add(&b, rt_group_delete(group), "deleting links");
	r = batch_run(&b, rtnl, NULL, NULL, e);
	return r == -ENODEV ? 0 : r;
}

int discard_add(struct discard *d, const char *link, int rtnl, struct err *e)
{
	snprintf(d->names[d->n++], IFNAMSIZ, "%s", link);
	return d->n == DISCARD_MAX ? discard_run(d, rtnl, e) : 0;
}
