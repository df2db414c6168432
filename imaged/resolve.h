/* SPDX-License-Identifier: MIT */
/*
 * From a reference to an image: manifest, perhaps through an index, then config, each checked
 * against the digest that named it. Runs in `imaged --fetch`.
 */
#pragma once

#include "manifest.h"
#include "registry.h"

struct resolve;

/* On success `image` is valid until this returns; on failure it is NULL. The resolve is freed
 * afterwards. */
typedef void (*resolved_fn)(void *arg, const struct image *image, const struct err *failure);

/* NULL with a sentence. fn is never called from inside. */
struct resolve *resolve_start(
	struct session *s, const struct platform *want, resolved_fn fn, void *arg, struct err *e);

/* fn will not be called; NULL is fine. Not inside fn. */
void resolve_cancel(struct resolve *v);
