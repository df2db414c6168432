/* SPDX-License-Identifier: MIT */
/*
 * Inside tree_unpack: its state, and what a file has beside its contents (tree_meta.c).
 */
#pragma once

#include <sys/stat.h>

#include "pax.h"
#include "tree.h"
#include "tree_open.h"

struct meta {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* without the type */
	struct timespec mtime;
	const struct pax_entry *xattrs; /* whose extended attributes it has, or NULL */
};

struct later;

struct unpack {
	struct tree_unpack_options o;
	struct pax_reader *in;
	const struct pax_entry *entry;
	int dir;
	const char *as;		/* the top's name in dir, or "" */
	char top[NAME_MAX + 1]; /* and its name in the stream */
	bool top_known;
	mode_t top_mode;
	uint64_t entries, skipped, waiting;
	struct later *later;
	int parent; /* directory of the last entry */
	char parent_path[PATH_MAX];
	char path[PATH_MAX]; /* of this one, below dir */
	struct meta meta;
};

/* The sentence for a rename that failed: what can't be replaced is a mount's. */
int tree_cant_replace(int code, const char *path, struct err *e);

/* A name that nobody uses. */
#define TREE_TEMPORARY 40
void tree_temporary(char name[TREE_TEMPORARY]);

/* Of u->entry, into u->meta. */
void meta_read(struct unpack *u);
/* Extended attributes, if m has them. */
int meta_set_xattrs(
	struct unpack *u, int fd, const struct meta *m, const char *path, struct err *e);
/* All of it, in the order in which nothing undoes another. */
int meta_set(struct unpack *u, int fd, const struct meta *m, const char *path, struct err *e);
/* Whether it is to be given to somebody else, after which nobody here could touch it. */
bool meta_gives_away(const struct unpack *u, const struct meta *m, const struct stat *st);
/* Of what can't be opened: u->parent/name. */
int meta_set_link(struct unpack *u, const char *name, struct err *e);
