/* SPDX-License-Identifier: MIT */
/*
 * The engine's firewall tables, `table inet ENGINE` and `table bridge ENGINE`: ruleset.nft once,
 * then elements. Everything happens in transactions of nf_tables; other tables are never named.
 */
#pragma once

#include "ports.h"

extern const char fw_ruleset[]; /* ruleset.nft */

struct fw;

int fw_new(const char *engine, struct fw **ret, struct err *e);
void fw_free(struct fw *f); /* leaves the kernel alone; NULL is fine */

/* Reads the published ports of an earlier run into fresh rows, in no order and unheld; none when
 * there is no table. -EEXIST when the table is somebody else's. */
int fw_read(struct fw *f, struct published **ret, struct err *e);

/* Puts the tables in place, whatever they were before, with exactly these networks and their
 * members, and these ports. */
int fw_load(
	struct fw *f, const struct network *networks, const struct published *book, struct err *e);

/* The member's addresses and its ports, all or nothing; either may be NULL. About 0.1 ms. */
int fw_admit(struct fw *f, const struct member *m, const struct published *rows, struct err *e);
/* What is already gone doesn't count. */
int fw_expel(struct fw *f, const struct member *m, const struct published *rows, struct err *e);

/* What passes over an annex; -ENOENT when the tables are gone. */
int fw_annex(struct fw *f, const struct annex *a, struct err *e);
int fw_annex_gone(struct fw *f, const struct annex *a, struct err *e);

int fw_remove(struct fw *f, struct err *e);

/* How many transactions have succeeded so far. */
unsigned long fw_transactions(const struct fw *f);

/* False when the kernel has no tables for bridges: then containers' frames are not looked into. */
bool fw_filters_bridges(const struct fw *f);
