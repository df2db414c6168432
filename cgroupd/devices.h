/* SPDX-License-Identifier: MIT */
/*
 * Which device nodes a container may open: those that everybody has in /dev, and what its own rows
 * add (--device, --device-cgroup-rule). To most it is a second wall. The first is the user
 * namespace, where nobody makes a node and none of an image's opens (SB_I_NODEV), and nodev on
 * binds. Where root gives rules, nodes in root's binds are alive, and the list is the only wall.
 *
 * On v2 a BPF program on the engine's own cgroup judges each open by a map (devmap.h): both are
 * made while cgroupd is root with capabilities, and rows are written without any. On v1 the
 * engine's own `devices` cgroup is given everybody's list while that can be done, which takes
 * SYS_ADMIN (devcgroup_update_access), and children have it from there: no more can be allowed
 * below. On hybrid hosts the usual container is in v1's, for joining v2's takes milliseconds
 * (discover.h), and one with rows of its own is in v2's instead.
 *
 * The list outlives cgroupd: the next one takes the map over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "device_rule.h"

struct tree;
struct branch;

struct device_rules { /* the form of cgroup_create.devices */
	const struct device_rule *v;
	uint32_t n;
	bool needed; /* not without a list: something else relies on it */
};

/* What holds on this host. */
struct devices {
	bool open;
	bool v1;	   /* everybody's list */
	int map, program;  /* v2's; -1: none */
	char lacking[128]; /* why there is none of v2 */
};
#define DEVICES_NONE                                                                               \
	(struct devices)                                                                           \
	{                                                                                          \
		.map = -1, .program = -1, .lacking = "it takes cgroup v2"                          \
	}

/* Sets up the lists of a prepared tree, with the capabilities of root. Where the kernel gives none
 * that is logged, and the engine goes on. */
void devices_open(struct tree *t);
/* The engine's directories were made anew, without capabilities: they have no list any more. */
void devices_lose(struct devices *d);
void devices_close(struct devices *d); /* the list stays */

/* The rules' form, -EINVAL, and whether there is a list for who needs one, -EOPNOTSUPP; with a
 * sentence. */
int devices_check(const struct tree *t, const struct device_rules *rules, struct err *e);

/* Whether a container with these rules (NULL: none) must not be in a hierarchy of v1's, and whether
 * it has to be in v2's of a hybrid host. */
bool devices_avoid(const struct branch *b, const struct device_rules *rules);
bool devices_need(const struct tree *t, const struct branch *b, const struct device_rules *rules);

/* Gives a group that was just made its rows, wherever it has a list that takes them. */
int devices_grant(
	const struct tree *t, const char *id, const struct device_rules *rules, struct err *e);

/* What a group may open, as texts of rules. */
#define DEVICE_LIST_MAX 320 /* everybody's and, for each of its own, one a kind */
struct device_list {
	unsigned int n;
	const char *v[DEVICE_LIST_MAX];
	char text[DEVICE_LIST_MAX][DEVICE_RULE_TEXT_MAX];
};
/* Reads that from the kernel. Empty where no list holds for the group. */
int devices_read(const struct tree *t, const char *id, struct device_list *ret, struct err *e);

/* Removes a directory of a group, and with it what rows it had. 0 or -errno. */
int devices_rmdir(const struct tree *t, const struct branch *b, const char *id);
