/* SPDX-License-Identifier: MIT */
/*
 * Numbers that the kernel holds; see range.h.
 */
#include "base/range.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

uint64_t range_nearest(const struct range *r, uint64_t v)
{
	uint64_t below;

	if (v <= r->min)
		return r->min;
	if (v >= r->max)
		return r->max;
	below = v - (v - r->min) % r->step;
	return v - below > r->step - (v - below) && r->max - below >= r->step ? below + r->step
									      : below;
}

int range_check(const struct range *r, const char *asked, uint64_t v, struct err *e)
{
	uint64_t nearest = range_nearest(r, v);

	if (v == nearest)
		return 0;
	return err_set(e, EINVAL,
		"%.64s: the kernel can't hold that, the nearest it can is %" PRIu64 "%s", asked,
		nearest, r->unit);
}

/* v1 shows "no limit" as the largest count of pages that there can be, and pages have up to 64 KiB:
 * the most is the last page below that. */
struct range range_pages(uint64_t min)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (struct range){" bytes", min, ((INT64_MAX & ~0xffffULL) - 1) / page * page, page};
}
