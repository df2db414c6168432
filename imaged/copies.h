/* SPDX-License-Identifier: MIT */
/*
 * Private copies of layers, for containers that share no page cache with others: of each file that
 * the root filesystem is made of a copy, mounted and mapped for one container. Once mounted a copy
 * has no name: it is the kernel's, which frees it with its last mount, however the container ends;
 * and a start is what makes it, so none is ever found damaged. Threads copy, by copy_file_range(2):
 * not a byte passes through this process, and file systems that can do it share the blocks on disk.
 * Runs in the mounter; each call but copies_free() returns at once.
 */
#pragma once

#include "../proto/base/loop.h"
#include "rootfs.h"

struct copies;

struct copies *copies_new(struct loop *l); /* NULL: no memory or descriptors */
/* Ends what is under way, waits for it, and calls nobody. */
void copies_free(struct copies *c);
bool copies_idle(const struct copies *c); /* none is under way */

/* Called once, from any of these functions or from the loop: the mounts, lowest first, which are
 * closed when it returns, or e. */
typedef void (*copies_fn)(void *arg, int *mounts, uint32_t n, const struct err *e);

/* userns is duplicated. When it fails fn is not called. */
int copies_begin(struct copies *c, const char *container, const struct image *image, int userns,
	copies_fn fn, void *arg, struct err *e);

/* The container's are not wanted any more: fn hears ECANCELED, unless all is done. */
void copies_cancel(struct copies *c, const char *container);
