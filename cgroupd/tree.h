/* SPDX-License-Identifier: MIT */
/*
 * The engine's own directory, named after it, in every hierarchy: containers' cgroups are its
 * children. Roots are opened once; from then on everything is reached from these descriptors.
 */
#pragma once

#include "devices.h"
#include "discover.h"

struct branch {
	int version;
	uint32_t controllers;
	bool optional;					    /* discover.h */
	char mount[sizeof(((struct hierarchy *)0)->mount)]; /* for people and logs alone */
	int root_fd;					    /* where the hierarchy is mounted */
	int base_fd; /* root/NAME; -1 when there is none (yet, or after tree_teardown) */
};

struct tree {
	const char *name; /* of the engine; outlives the tree */
	struct branch b[HIERARCHY_MAX];
	unsigned int n;
	bool ready;
	bool swap_accounting; /* memory + swap can be limited */
	int swaps_fd;	      /* /proc/swaps */
	struct devices devices;
};

/* Opens the roots of the hierarchies found. */
int tree_open(struct tree *t, const struct layout *l, const char *name, struct err *e);
void tree_close(struct tree *t); /* removes nothing */

/* Makes NAME in every hierarchy, with its controllers handed on to its children; what is there
 * already is taken over. Nothing to do when ready. */
int tree_prepare(struct tree *t, struct err *e);

/* Removes NAME everywhere; -EBUSY when a container or somebody's slice is left in it: then where
 * none is. Done also when there was none. */
int tree_teardown(struct tree *t, struct err *e);

/* The branch where a controller lives; NULL when this host has none. */
const struct branch *tree_find(const struct tree *t, enum controller c);

/* Hands controllers on to the children of a v2 directory; those already handed on stay. */
int tree_hand_on(int dirfd, uint32_t controllers, struct err *e);

/* Gives a v1 cpuset that is empty what its parent has; its children will have what it has. */
int tree_share_cpuset(int dirfd, int parent_fd, struct err *e);

/* Whether this host swaps at all, now. */
bool tree_host_swaps(const struct tree *t);
