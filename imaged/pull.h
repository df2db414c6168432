/* SPDX-License-Identifier: MIT */
/*
 * Pulls: from "this reference, please" to a record in the store. A pull asks the fetch worker what
 * the reference means, then joins, for each layer that isn't here, the fetch worker's output to an
 * unpack worker's input by a pipe, checks what both say, and takes the layer in. Equal pulls are
 * one, and a layer that two pulls want is fetched once. A pull that fails leaves nothing: layers
 * that it alone needed go, but for the bytes of layers that
 * the next one can go on with. Nothing here waits; runs in the mounter.
 */
#pragma once

#include "store.h"
#include "workers.h"

struct pulls;

/* The setup of the workers is completed here, but for loop, keep, idle_ms, unpack_max, arg, want
 * and over. */
struct pulls *pulls_new(
	struct store *s, const struct workers_setup *workers); /* NULL: out of memory */
void pulls_free(struct pulls *p);
struct workers *pulls_workers(struct pulls *p);
/* Whether one is under way of this image, or of one that has a layer of it. */
bool pulls_touch(const struct pulls *p, const struct image *image);
bool pulls_idle(const struct pulls *p); /* none is under way */

/* Request `id` is to fail; what nobody else waits for is called off. */
void pulls_cancel(struct pulls *p, struct chan *c, uint32_t id);

/* Answers request `id` on `c` with image_pulled or failed, now or later, after image_progress. */
void pulls_start(struct pulls *p, struct chan *c, uint32_t id, const struct image_pull *m);
