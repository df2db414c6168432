/* SPDX-License-Identifier: MIT */
/*
 * A container's cgroup: one directory of its id under the engine's own, or in a slice there
 * (slice.h), in every hierarchy. Nothing is remembered between calls: a group made before a restart
 * is found by its name.
 */
#pragma once

#include "devices.h"
#include "limits.h"
#include "tree.h"

/* Ids become paths: a name of 1 to 64 of a-z A-Z 0-9 _ and -, not starting with '-', behind the
 * slices that it lies in, if any: "web.slice/web-front.slice/1f0c". A container has no dot in its
 * name, and what it makes within its own group is never looked at. */
#define GROUP_ID_MAX 255
int group_check_id(const char *id, struct err *e);

/* Makes the group with every limit in force and what `devices` (NULL: nothing) adds to everybody's,
 * opens the files through which others join (*ret_n, at most HIERARCHY_MAX; the caller closes
 * them): a process of one thread writes "0" to each. Undone completely on failure. -EEXIST when
 * there is such a group. */
int group_create(struct tree *t, const char *id, const struct limits *asked,
	const struct device_rules *devices, int procs[HIERARCHY_MAX], unsigned int *ret_n,
	struct limits_owned *ret_in_force, struct err *e);

/* Whether a group that asks for nothing particular is in a hierarchy. */
bool group_is_usual(const struct tree *t, const struct branch *b);

/* The limits in force, read from the kernel. -ENOENT when there is no such group. */
int group_read_limits(
	const struct tree *t, const char *id, struct limits_owned *ret, struct err *e);

/* In bytes, the lowest memory limit of the group and of what it lies in, as far as that is the
 * engine's; 0: none. */
uint64_t group_memory_limit(const struct tree *t, const char *id);

#define CONTROL_MAX 4096 /* bytes of a control file that we look at */
/* What of a control file fits, without its last newline. */
int group_read_control(int dirfd, const char *path, char buf[CONTROL_MAX]);
/* What a row's file shows; -EBADMSG with a sentence when it isn't what the kernel writes. */
int group_take_in(
	const struct limit_row *row, const char *text, struct limits_owned *r, struct err *e);

/* What a group has of its parent in a row when nobody asks for something else; false for rows that
 * have nothing so. */
bool group_read_parents(const struct branch *b, const char *id, const struct limit_row *row,
	char text[CONTROL_MAX]);

/* Removes the directories that it finds. 0 when none is left; -EBUSY while a process is in one. */
int group_remove(const struct tree *t, const char *id, struct err *e);

/* Ids of groups that any hierarchy has, in order, behind `after` (NULL: all); at most max. Strings
 * are the caller's to free. Returns how many there are, those included that did not fit. */
unsigned int group_list(
	const struct tree *t, const char *after, const char **ret, unsigned int max);
/* Calls fn for each group that this hierarchy has, in no order. */
void group_each(const struct branch *b, void (*fn)(void *arg, const char *id), void *arg);
/* Removes the slices of ours that are empty: a start that was cut off left them, or somebody's
 * process was in one when its last group went. */
void group_sweep(const struct tree *t);

/* "id/file" for use with a branch's base_fd. */
#define GROUP_PATH_MAX 320
const char *group_path(char buf[GROUP_PATH_MAX], const char *id, const char *file);
/* The same of the directory that the group lies in. */
const char *group_parent_path(char buf[GROUP_PATH_MAX], const char *id, const char *file);

void group_host(const struct tree *t, struct limit_host *ret);
