/* SPDX-License-Identifier: MIT */
/*
 * Groups in this machine's own hierarchies, below a directory of the test's. Needs root.
 */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cgroupd/group.h"

#define MIB(n) ((uint64_t)(n) << 20)

static struct tree tree;
static char name[32];

static int set_up(void **state)
{
	struct layout l;
	struct err e = {0};

	(void)state;
	snprintf(name, sizeof(name), "tcgu%d", getpid());
	if (geteuid() != 0 || discover_host(&l, &e) < 0)
		return 0;
	if (tree_open(&tree, &l, name, &e) < 0 || tree_prepare(&tree, &e) < 0) {
		print_error("%s\n", e.text);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	struct err e = {0};
	int r = tree_teardown(&tree, &e);

	(void)state;
	if (r < 0)
		print_error("%s\n", e.text);
	tree_close(&tree);
	return r;
}

static void need_host(void)
{
	if (tree.n == 0) {
		print_message("skipped: needs root and cgroups\n");
		skip();
	}
}

static inline void need(enum controller c)
{
	need_host();
	if (!tree_find(&tree, c)) {
		print_message("skipped: this host has no %s controller\n", controller_name(c));
		skip();
	}
}

/* Hierarchies that a group is made in which limits no huge pages. */
static unsigned int usual_hierarchies(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < tree.n; i++)
		for (unsigned int c = 0; c < CTL_COUNT; c++)
			if (c != CTL_HUGETLB && (c != CTL_DEVICES || tree.b[i].version == 1) &&
				tree_find(&tree, (enum controller)c) == &tree.b[i]) {
				n++;
				break;
			}
	return n;
}

/* Makes a group, closes its descriptors. */
static inline int make(
	const char *id, const struct limits *l, struct limits_owned *r, struct err *e)
{
	int procs[HIERARCHY_MAX], k;
	unsigned int n = 0;

	k = group_create(&tree, id, l, NULL, procs, &n, r, e);
	assert_int_equal(k == 0 ? usual_hierarchies() : 0, n);
	while (n-- > 0)
		fd_close(&procs[n]);
	return k;
}

static inline unsigned int dirs_of(const char *id)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < tree.n; i++)
		n += faccessat(tree.b[i].base_fd, id, F_OK, 0) == 0;
	return n;
}
