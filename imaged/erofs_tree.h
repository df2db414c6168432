/* SPDX-License-Identifier: MIT */
/*
 * The names of one layer, in memory, while its image is written: which name leads to which inode,
 * and what each directory is. Everything else (owner, times, attributes and data of what is not a
 * directory) is already in the image and known here only by its place.
 *
 * A path is resolved as in a chroot: "/" and ".." of a symbolic link stop at the image's root, and
 * there is no other root. Memory is bounded, lies in the image's file (scratch.h) and is given back
 * at once by erofs_tree_free().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "erofs_format.h"
#include "erofs_xattr.h"

#define EROFS_PATH_MAX	4096u
#define EROFS_DEPTH_MAX (EROFS_PATH_MAX / 2)

struct erofs_tree;

struct erofs_attr {
	uint16_t mode; /* S_IFMT and permission bits */
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime_nsec;
	int64_t mtime;
};

/* An inode. The writer fills `at`, and counts `nlink` at the end. */
struct erofs_node {
	uint64_t at; /* byte offset in the image */
	uint32_t nlink;
	uint8_t type; /* enum erofs_type */
	bool linked;  /* nlink is in the image */
	union {
		struct erofs_dir *dir;
		const char *target; /* of a symbolic link */
	};
};

/* A name in a directory; several names of one node are hard links. node is NULL while a hard link
 * waits for its target. left and right are the tree's; see erofs_dir_first(). */
struct erofs_name {
	struct erofs_name *left, *right;
	struct erofs_node *node;
	bool hides; /* a whiteout of this name was seen: nothing of lower layers shows */
	uint8_t len;
	char text[];
};

struct erofs_dir {
	struct erofs_node node;
	struct erofs_dir *parent; /* the root's is itself */
	struct erofs_dir *next;	  /* in order of creation: a parent is before its children */
	struct erofs_attr attr;
	struct erofs_xattrs xattrs;
	struct erofs_name *names; /* root of their tree */
	uint32_t depth;
	bool opaque;
	bool implied;	  /* made for a path through it; no entry of the layer describes it */
	bool dead;	  /* replaced, or below what was */
	bool tail_inline; /* these three are the writer's */
	uint64_t size;
	uint64_t data_at;
};

struct erofs_place {
	struct erofs_dir *dir;
	const char *base; /* "": the root itself, and dir is the root */
};

/* At most `max_names` names (those of lost entries count) in at most `max_bytes` of memory, behind
 * the end of the image in `fd` (borrowed; -1: ordinary memory). Nothing of it may be touched once
 * the image is finished. */
int erofs_tree_new(
	int fd, uint32_t max_names, size_t max_bytes, struct erofs_tree **ret, struct err *e);
void erofs_tree_free(struct erofs_tree **t);

/* Rewrites a tar path into components joined by "/", without "." or ".."; the root is "".
 * -EINVAL if it climbs above the root, -ENAMETOOLONG if it or a component is too long. */
int erofs_path_clean(const char *path, char out[EROFS_PATH_MAX], struct err *e);

/* Finds the directory that holds (or will hold) a clean path's last component, following symbolic
 * links before it and making missing directories (root's, 0755, time 0). `ret->base` points into
 * `path`. -ENOTDIR, -ELOOP, -E2BIG, -ENOMEM. */
int erofs_tree_place(
	struct erofs_tree *t, const char *path, struct erofs_place *ret, struct err *e);

/* The inode at a clean path, its last component not followed; NULL if the layer has none. */
struct erofs_node *erofs_tree_find(struct erofs_tree *t, const char *path);

/* A fresh inode for a non-directory; `target` is copied. NULL as of erofs_tree_alloc(). */
struct erofs_node *erofs_node_new(struct erofs_tree *t, enum erofs_type type, const char *target);

/* Makes the name lead to the node (NULL: to be filled in later); what it led to is dropped, a
 * directory with all below it. *ret_name may be NULL. */
int erofs_tree_put(struct erofs_tree *t, struct erofs_place at, struct erofs_node *node,
	struct erofs_name **ret_name, struct err *e);

/* Makes the name a directory, or changes the one it is; children stay. Copies the xattrs. */
int erofs_tree_put_dir(struct erofs_tree *t, struct erofs_place at, const struct erofs_attr *attr,
	struct erofs_xattrs xattrs, struct err *e);

/* Hides what lower layers have under this name; an entry of this layer stays. */
int erofs_tree_whiteout(struct erofs_tree *t, struct erofs_place at, struct err *e);

/* Zeroed memory that lives as long as the tree, counted against its bound; NULL at the bound or on
 * a full disk, and erofs_tree_no_memory() says which. */
void *erofs_tree_alloc(struct erofs_tree *t, size_t size);
int erofs_tree_no_memory(struct erofs_tree *t, struct err *e);

/* The root is the first of all directories. */
struct erofs_dir *erofs_tree_root(struct erofs_tree *t);

/* The one inode that all whiteouts share. */
struct erofs_node *erofs_tree_whiteout_node(struct erofs_tree *t);

/* The names of the directory ascend by bytes; the next one is name->right, until the next call of
 * anything else here. */
struct erofs_name *erofs_dir_first(struct erofs_dir *d);
