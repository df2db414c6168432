/* SPDX-License-Identifier: MIT */
/*
 * The engine's firewall table, `table inet ENGINE`: ruleset.nft once, then elements. Everything
 * happens in transactions of nf_tables; other tables are never named.
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

/* Puts the table in place, whatever it was before, with exactly these networks and ports. */
int fw_load(
	struct fw *f, const struct network *networks, const struct published *book, struct err *e);

/* All rows or none. About 0.2 ms. */
int fw_publish(struct fw *f, const struct published *rows, struct err *e);
/* Rows that are already gone don't count. */
int fw_withdraw(struct fw *f, const struct published *rows, struct err *e);

int fw_remove(struct fw *f, struct err *e);
