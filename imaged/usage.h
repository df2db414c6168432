/* SPDX-License-Identifier: MIT */
/*
 * What images take of the disk, and making room. Runs in the mounter.
 */
#pragma once

#include "pull.h"

/* image_usage of messages.def. */
int usage_tell(const struct store *s, const struct strv *in_use, struct image_usage_is *ret,
	struct err *e);

/* image_collect of messages.def. What was used or pulled within the last minute stays, for somebody
 * may be about to make a container of it, and so does what is being pulled. */
int usage_collect(struct store *s, const struct pulls *pulls, const struct image_collect *m,
	struct image_collected *ret, struct err *e);
