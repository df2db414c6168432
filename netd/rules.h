/* SPDX-License-Identifier: MIT */
/*
 * The engine's firewall tables, kept as they should be. Who changes them from outside (`nft flush
 * ruleset` is what firewalls' start scripts do) finds them put back, whole, within RULES_PAUSE_MS.
 */
#pragma once

#include "ports.h"

struct netd;
struct rules;

#define RULES_PAUSE_MS 1000 /* between two restorations: others may do this all the time */

int rules_new(struct netd *d, struct rules **ret, struct err *e);
void rules_free(struct rules *r); /* leaves the kernel alone; NULL is fine */

/* Puts the tables in place, for the networks, members and published ports that netd has. */
int rules_load(struct netd *d, struct err *e);
int rules_remove(struct netd *d, struct err *e);

int rules_annex(struct netd *d, const struct annex *a, struct err *e);
int rules_annex_gone(struct netd *d, const struct annex *a, struct err *e);

/* What a member may send, and what is published for it: all or nothing. rows may be NULL. */
int rules_admit(
	struct netd *d, const struct member *m, const struct published *rows, struct err *e);
/* What is gone already doesn't count. */
int rules_expel(
	struct netd *d, const struct member *m, const struct published *rows, struct err *e);
