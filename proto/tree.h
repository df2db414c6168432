/* SPDX-License-Identifier: MIT */
/*
 * Trees of files as tar streams (pax.h) and back: what visits do in a container and ctl on the
 * host. Every file is reached by openat2 below a descriptor. For processes of one thread that end
 * soon: nothing here is meant to be long in memory, and streams block.
 */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* ---- tree_find.c: what a path means ---- */

/* The world in which a path is resolved: a root that nothing leaves, by descriptor, or the caller's
 * own. */
#define TREE_OWN_WORLD AT_FDCWD

enum tree_kind { TREE_NOTHING, TREE_DIR, TREE_FILE, TREE_LINK, TREE_OTHER };

struct tree_place {
	enum tree_kind kind; /* LINK only when links are not followed, or lead in circles */
	bool wants_dir;	     /* the path ends in "/" or "/." */
	int dir;	     /* the directory itself, or -1 */
	int parent;	     /* and the directory it is in, or would be: -1 if that isn't there */
	char name[NAME_MAX + 1]; /* in there; "" for a root and for ".." */
};
void tree_place_free(struct tree_place *p);
#define _cleanup_place_ _cleanup_(tree_place_free)

/* A path that ends in "/" is followed in any case. Descriptors are O_PATH. Nothing being there is
 * no failure. */
int tree_find(int world, const char *path, bool follow, struct tree_place *ret, struct err *e);

/* The name under which a source is copied: its last one, "" for what ends in "/." and for "/",
 * which stand for their contents. -ENAMETOOLONG. */
int tree_base_name(const char *path, char buf[NAME_MAX + 1], struct err *e);

/* Where a copy goes, by docker's table. */
struct tree_target {
	int dir;		 /* borrowed from the place, or owned_dir */
	char name[NAME_MAX + 1]; /* what it becomes in there; "": the contents go into dir itself */
	int owned_dir;
	bool replaces;	       /* a file of that name */
	enum tree_kind of;     /* DIR, FILE: the source must be, or mustn't be, a directory */
	const char *complaint; /* what is wrong otherwise */
};
void tree_target_free(struct tree_target *t);
#define _cleanup_target_ _cleanup_(tree_target_free)

/* `base` is the source's (tree_base_name). The sentence calls the place `path`. */
int tree_target(const struct tree_place *p, const char *path, const char *base,
	struct tree_target *ret, struct err *e);

/* ---- tree_pack.c: files to a stream ---- */

struct tree_pack;

struct tree_pack_options {
	bool devices; /* are added too, not left out */
};

int tree_pack_open(
	int out, const struct tree_pack_options *o, struct tree_pack **ret, struct err *e);
void tree_pack_free(struct tree_pack **p);
#define _cleanup_pack_ _cleanup_(tree_pack_free)

/* Adds what is at the place, with all below it, under the name `as`; with "" what a directory holds
 * has no name of the directory in front. Links are added as links. Left out are sockets, what is
 * gone when its turn comes, and what is in file systems of the kernel's own, whose files have no
 * size (proc, sysfs, …). -EPIPE when nobody reads. */
int tree_pack_add(
	struct tree_pack *p, const struct tree_place *from, const char *as, struct err *e);
int tree_pack_end(struct tree_pack *p, struct err *e);

/* ---- tree_unpack.c: a stream to files ---- */

struct tree_unpack_options {
	bool any;	  /* any names: a stranger's tar; else all must lie below one top */
	bool keep_owner;  /* uid and gid as the stream has them; lowly: by `give` */
	bool own_by_root; /* else: root's, whatever the directory says */
	bool lowly;	  /* on a host: no set-user-id, set-group-id, devices, capabilities; links
			     keep neither times nor owner, for which a path would be needed */
	/* Gives an open file away: 0 or -errno. Called for each after it is done with. */
	int (*give)(void *ctx, int fd, uid_t uid, gid_t gid);
	void *ctx;
};

struct tree_unpacked {
	mode_t top;	  /* type and mode of the top; 0: nothing came. A directory still has to get
			     its mode, if that lets its owner not write (see tree_stage) */
	uint64_t skipped; /* devices that were left out */
};

/* Reads `in` to its end. What the one top holds, or is, goes to dir/top; with top "" it must be a
 * directory, whose contents go into dir. `t` says what the top may be. Files that exist are
 * replaced one by one, each at once; directories that exist are filled and else left as they are.
 */
int tree_unpack(int in, int dir, const char *top, const struct tree_target *t,
	const struct tree_unpack_options *o, struct tree_unpacked *ret, struct err *e);

/* ---- tree_stage.c: all or nothing ---- */

/* A directory of its own in the target's directory, where something grows until it is whole. */
struct tree_stage {
	int parent; /* borrowed */
	int dir;    /* -1: none */
	char name[40];
};
#define TREE_STAGE_NONE ((struct tree_stage){.parent = -1, .dir = -1})
#define TREE_STAGE_TOP	"x"

int tree_stage_open(int parent, struct tree_stage *ret, struct err *e);
/* Moves its top to where the target says, and removes the stage. */
int tree_stage_commit(struct tree_stage *s, const struct tree_target *t,
	const struct tree_unpacked *u, struct err *e);
/* Removes it with all that it holds; does nothing after a commit. */
void tree_stage_drop(struct tree_stage *s);
#define _cleanup_stage_ _cleanup_(tree_stage_drop)
