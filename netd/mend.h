/* SPDX-License-Identifier: MIT */
/*
 * Keeps on the host what netd has made there: bridges with their addresses, containers' links in
 * them, sysctls. What somebody changes is put right when the kernel tells of it, and at each look
 * that net_sync asks for.
 */
#pragma once

#include "look.h"

struct netd;
struct network;
struct mender;

#define MEND_PAUSE_MS 1000 /* between two looks: others may change things all the time */
#define MEND_LOST_MS  1000 /* a link that is gone is lost then, unless its owner has ended */

int mender_new(struct netd *d, struct mender **ret, struct err *e);
void mender_free(struct mender *m); /* leaves the kernel alone; NULL is fine */

/* Where something isn't right, as the kernel has told by now, mends it first: for who is about to
 * build on the network. Fails when its bridge can't be had. */
int mend_first(struct netd *d, const struct network *n, struct err *e);

/* Compares what netd has with a look just taken, and puts right what differs. Links that belong to
 * a member are `known` then. Goes on after a failure; *e is the first. *ret_mended is how many
 * things were not as they should be. */
int mend_all(struct netd *d, struct look *look, unsigned int *ret_mended, struct err *e);
