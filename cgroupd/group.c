/* SPDX-License-Identifier: MIT */
/*
 * Makes, reads and removes the cgroups of containers. Runs in cgroupd; trusts the kernel's files,
 * checks the ids and limits it is given. Every path is "id/file" below the engine's own directory,
 * and no part of an id is ".." or a link: nothing outside can be named.
 */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "base/fd.h"
#include "freeze.h"
#include "slice.h"

#define NAME_MAX_LEN 64

int group_check_id(const char *id, struct err *e)
{
	const char *name = slice_behind(id);
	size_t n = name ? strlen(name) : 0;

	if (!name || n > NAME_MAX_LEN || !slice_is_word(name, n) || strlen(id) > GROUP_ID_MAX)
		return err_set(e, EINVAL, "\"%.64s\" can't be the id of a container", id);
	return 0;
}

const char *group_path(char buf[GROUP_PATH_MAX], const char *id, const char *file)
{
	snprintf(buf, GROUP_PATH_MAX, "%s/%s", id, file);
	return buf;
}

const char *group_parent_path(char buf[GROUP_PATH_MAX], const char *id, const char *file)
{
	snprintf(buf, GROUP_PATH_MAX, "%s/../%s", id, file);
	return buf;
}

void group_host(const struct tree *t, struct limit_host *ret)
{
	*ret = (struct limit_host){.swap_accounting = t->swap_accounting};
	ret->swaps =
		t->swap_accounting || tree_host_swaps(t); /* of no matter when it is accounted */
	for (unsigned int i = 0; i < t->n; i++)
		ret->controllers |= t->b[i].controllers;
}

int group_read_control(int dirfd, const char *path, char buf[CONTROL_MAX])
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, CONTROL_MAX - 1, 0);

	if (n < 0)
		return -errno;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int group_take_in(
	const struct limit_row *row, const char *text, struct limits_owned *r, struct err *e)
{
	if (row->parse(text, r) == 0)
		return 0;
	return err_set(e, EBADMSG, "%s: %s reads \"%.64s\"", row->what, row->file, text);
}

bool group_read_parents(
	const struct branch *b, const char *id, const struct limit_row *row, char text[CONTROL_MAX])
{
	const char *file = row->offer ? row->offer : row->file;
	char path[GROUP_PATH_MAX];

	return row->how & ROW_INHERITED &&
	       group_read_control(b->base_fd, group_parent_path(path, id, file), text) == 0;
}

/* v1: never empty; what equals its parent's was never asked for. */
static bool inherited(
	const struct branch *b, const char *id, const struct limit_row *row, const char *text)
{
	char parents[CONTROL_MAX];

	return b->version == 1 && group_read_parents(b, id, row, parents) &&
	       strcmp(parents, text) == 0;
}

int group_read_limits(const struct tree *t, const char *id, struct limits_owned *ret, struct err *e)
{
	struct limit_host host;
	bool found = false;

	*ret = (struct limits_owned){0};
	for (unsigned int i = 0; i < t->n; i++) {
		const struct branch *b = &t->b[i];

		for (const struct limit_row *row = limit_rows(b->version); row->file; row++) {
			char path[GROUP_PATH_MAX], text[CONTROL_MAX];
			int r;

			if (tree_find(t, row->controller) != b || b->base_fd < 0)
				continue;
			r = group_read_control(b->base_fd, group_path(path, id, row->file), text);
			if (r == -ENOENT)
				continue; /* no such group, or a kernel without this file */
			if (r < 0)
				return err_errno(e, r, "%s: reading %s", row->what, row->file);
			found = true;
			r = inherited(b, id, row, text) ? 0 : group_take_in(row, text, ret, e);
			if (r < 0)
				return r;
			row += (row->how & ROW_OR_NEXT) != 0;
		}
	}
	if (!found)
		return err_set(e, ENOENT, "no cgroup of container %s", id);
	group_host(t, &host);
	limits_tidy(ret, NULL, &host);
	return 0;
}

uint64_t group_memory_limit(const struct tree *t, const char *id)
{
	const struct branch *b = tree_find(t, CTL_MEMORY);
	const struct limit_row *row = b ? limit_row_memory(b->version) : NULL;
	char at[GROUP_ID_MAX + 1], path[GROUP_PATH_MAX], text[CONTROL_MAX];
	uint64_t least = 0;

	if (!b)
		return 0;
	for (snprintf(at, sizeof(at), "%s", id); *at;) {
		struct limits_owned r = {0};
		char *slash = strrchr(at, '/');

		if (group_read_control(b->base_fd, group_path(path, at, row->file), text) == 0 &&
			row->parse(text, &r) == 0 && r.limits.memory &&
			(!least || r.limits.memory < least))
			least = r.limits.memory;
		if (slash)
			*slash = '\0';
		else
			strcpy(at, strcmp(at, ".") == 0 ? "" : ".");
	}
	return least;
}

struct asked {
	struct limits limits; /* complete */
	const struct device_rules *devices;
};

/* Few limit huge pages or have devices of their own, and a hierarchy that has nothing else costs a
 * start what it costs to make a directory and to join it. */
static bool is_left_out(const struct tree *t, const struct branch *b, const struct asked *a)
{
	if (devices_avoid(b, a->devices))
		return true;
	if (devices_need(t, b, a->devices))
		return false;
	for (unsigned int i = 0; i < CTL_COUNT; i++)
		if (tree_find(t, (enum controller)i) == b &&
			(i != CTL_HUGETLB || a->limits.hugepages.n > 0) &&
			(i != CTL_DEVICES || b->version == 1))
			return false;
	return true;
}

bool group_is_usual(const struct tree *t, const struct branch *b)
{
	const struct asked nothing = {.devices = NULL};

	return !is_left_out(t, b, &nothing);
}

static int make_dirs(const struct tree *t, const char *id, const struct asked *a,
	unsigned int *ret_made, struct err *e)
{
	for (*ret_made = 0; *ret_made < t->n; (*ret_made)++) {
		const struct branch *b = &t->b[*ret_made];
		int r = is_left_out(t, b, a) ? 1 : slice_make(b, id, e);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (mkdirat(b->base_fd, id, 0755) == 0)
			continue;
		/* One that a start left that was cut off; the kernel keeps it if somebody lives
		 * there. */
		if (errno == EEXIST && devices_rmdir(t, b, id) == 0 &&
			mkdirat(b->base_fd, id, 0755) == 0)
			continue;
		if (errno == EEXIST || errno == EBUSY)
			return err_set(e, EEXIST, "container %s has a cgroup already", id);
		return err_errno(e, errno, "making a cgroup in %s/%s", b->mount, t->name);
	}
	return 0;
}

static void remove_dirs(const struct tree *t, const char *id, unsigned int n)
{
	for (unsigned int i = 0; i < t->n; i++) {
		if (i < n)
			devices_rmdir(t, &t->b[i], id);
		slice_drop(&t->b[i], id);
	}
}

static void close_all(int *fds, unsigned int n)
{
	while (n-- > 0)
		fd_close(&fds[n]);
}

/* The kernel judges a move by who opened the file (since 5.16, CVE-2021-4197): opened here by root,
 * it lets a process without privilege put itself in. v1's `tasks` moves one thread, which is all
 * that a process has that was just cloned; for a thread that moves itself the kernel takes no lock
 * over all forks of the machine (cgroup_procs_write_start, since 5.5). Through cgroup.procs it
 * waits for a grace period of RCU first: measured 3 to 11 ms beside 0.1. v2 has no such file. */
static int open_procs(const struct tree *t, const char *id, const struct asked *a,
	int procs[HIERARCHY_MAX], unsigned int *ret_n, struct err *e)
{
	*ret_n = 0;
	for (unsigned int i = 0; i < t->n; i++) {
		const struct branch *b = &t->b[i];
		const char *file = b->version == 1 ? "tasks" : "cgroup.procs";
		char path[GROUP_PATH_MAX];
		int fd;

		if (is_left_out(t, b, a))
			continue;
		fd = openat(b->base_fd, group_path(path, id, file), O_WRONLY | O_CLOEXEC);
		if (fd < 0) {
			close_all(procs, *ret_n);
			return err_errno(e, errno, "opening %s in %s", file, b->mount);
		}
		procs[(*ret_n)++] = fd;
	}
	return 0;
}

/* Who joined would stand still before the first instruction, and on v1 not even SIGKILL ends that.
 */
static int check_moves(const struct tree *t, const char *id, struct err *e)
{
	bool frozen = false;

	freeze_get(t, id, &frozen, NULL);
	return frozen ? err_set(e, EBUSY, "it could not move: a cgroup above it is frozen") : 0;
}

int group_create(struct tree *t, const char *id, const struct limits *asked,
	const struct device_rules *devices, int procs[HIERARCHY_MAX], unsigned int *ret_n,
	struct limits_owned *ret_in_force, struct err *e)
{
	struct limit_host host;
	struct asked want = {.devices = devices};
	unsigned int made = 0;
	int r = group_check_id(id, e);

	if (r == 0)
		r = tree_prepare(t, e);
	if (r == 0)
		r = devices_check(t, devices, e);
	if (r < 0)
		return r;
	group_host(t, &host);
	r = limits_complete(asked, &host, &want.limits, e);
	if (r == 0)
		r = make_dirs(t, id, &want, &made, e);
	if (r == 0)
		r = check_moves(t, id, e);
	if (r == 0)
		r = devices_grant(t, id, devices, e);
	if (r == 0)
		r = apply_limits(t, id, &want.limits, ret_in_force, e);
	if (r == 0)
		r = open_procs(t, id, &want, procs, ret_n, e);
	if (r < 0) {
		remove_dirs(t, id, made);
		return r;
	}
	return 0;
}

/* 0 when it is not there, whatever the kernel says of its removal: nothing would ask again. */
static int remove_dir(const struct tree *t, const struct branch *b, const char *id)
{
	struct stat st;
	int r = devices_rmdir(t, b, id);

	if (r == -ENOENT)
		return 0;
	if (r < 0 && r != -EBUSY && fstatat(b->base_fd, id, &st, 0) < 0 && errno == ENOENT)
		r = 0;
	return r;
}

int group_remove(const struct tree *t, const char *id, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; i < t->n; i++) {
		const struct branch *b = &t->b[i];
		int k = b->base_fd < 0 ? 0 : remove_dir(t, b, id);

		if (b->base_fd >= 0 && k == 0)
			slice_drop(b, id);
		if (k < 0 && r == 0)
			r = err_errno(
				e, k, "removing the cgroup of container %s in %s", id, b->mount);
	}
	return r;
}
