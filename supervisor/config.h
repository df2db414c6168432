/* SPDX-License-Identifier: MIT */
/*
 * The configuration file, /etc/bulkhead/NAME.conf or --config FILE. A line is a key and its words;
 * what stands behind # is a comment.
 *
 *	group NAME|GID          who may use the engine beside root (bulkhead)
 *	publish-ip ADDRESS      where ports are published unless -p says (127.0.0.1)
 *	image-gc HIGH LOW       images that nobody needs go above HIGH, until LOW: 85% 75% of the
 *				disk, or 20g 15g of images (never)
 *	quota WHO WHAT AMOUNT   of containers, memory, cpus, pids, binds, connections
 *	default WHO WHAT AMOUNT what a container gets that doesn't say: memory, cpus, pids
 *	default WHO isolated-layers yes|no
 *				as if it had asked for them, or not
 *	allow WHO RIGHT         devices, host-network, low-ports, publish, remove-images
 *
 * WHO is a user's name, its uid, or * for all; a user's own line stands before that of all. What is
 * not known, said twice or malformed is refused, with the line's number.
 */
#pragma once

#include "policy.h"

struct config {
	bool has_group;
	gid_t group;
	char publish_ip[64]; /* empty: not said */
	char image_gc[64];   /* as --image-gc has it; empty: not said */
	struct policy policy;
};

/* Reads a file that nobody but root can write. With must_exist false, no file is an empty one. */
int config_load(const char *path, bool must_exist, struct config *ret, struct err *e);

/* The text alone, which is cut up; name stands before the line numbers. */
int config_parse(const char *name, char *text, struct config *ret, struct err *e);

/* A group's name or number. */
int config_parse_group(const char *text, gid_t *ret, struct err *e);
