/* SPDX-License-Identifier: MIT */
/*
 * What may be asked about images that are here: listing, looking up, removing. Runs in the mounter.
 */
#pragma once

#include "store.h"

#define IMAGES_PER_LIST 16

/* Fills images[IMAGES_PER_LIST] with shallow copies of those behind `after` that fit one frame. */
void images_list(
	const struct store *s, const char *after, struct image *images, struct image_listed *ret);

/* Forgets what is damaged, with a sentence in the log for each: so it can be pulled again. */
void images_check(struct store *s);

/* Whatever it is needed for. */
int images_delete(struct store *s, const char *id, struct err *e);

/* image_remove of messages.def. The lists of *ret live in the arena. */
int images_remove(struct store *s, const struct image_remove *m, struct arena *a,
	struct image_removed *ret, struct err *e);
