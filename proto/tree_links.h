/* SPDX-License-Identifier: MIT */
/*
 * The first name of every file that has several; for tree_pack alone.
 */
#pragma once

#include <sys/stat.h>

#include "base/err.h"

struct link_name;
struct links {
	struct link_name **v; /* a hash table by device and inode */
	size_t size, n;
};
void links_free(struct links *l);

/* NULL: that inode has not been kept. */
const char *links_find(const struct links *l, const struct stat *st);
int links_keep(struct links *l, const struct stat *st, const char *name, struct err *e);
