/* SPDX-License-Identifier: MIT */
/*
 * What the engine knows of one container, and its pages of lists.
 */
#pragma once

#include "command.h"

struct container_copy {
	struct container container; /* valid until container_free */
	uint8_t *buf;
	struct arena arena;
};
void container_free(struct container_copy *k);
#define _cleanup_container_ _cleanup_(container_free)

/* -ENOENT when there is none. Free *ret in any case. */
int container_get(struct ctl *c, const char *ref, struct container_copy *ret, struct err *e);

/* As docker counts: also while it is restarting. */
bool container_is_up(const char *status);

/* "key", whatever its value, or "key=value". */
bool has_label(const struct strv *labels, const char *wanted);

/* Calls fn for each row, newest first; fn returns 0 to go on. */
int container_each(struct ctl *c, bool all, int (*fn)(void *arg, const struct container_row *row),
	void *arg, struct err *e);
int image_each(
	struct ctl *c, int (*fn)(void *arg, const struct image *image), void *arg, struct err *e);
