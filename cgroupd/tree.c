/* SPDX-License-Identifier: MIT */
/*
 * Makes and removes the parents of all containers' cgroups. Runs in cgroupd as uid 0, with
 * capabilities or without: cgroup directories belong to root, so the owner's permission bits
 * suffice. The roots' own files are read; of them only v2's cgroup.subtree_control is written.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define CONTROL_TEXT_MAX 4096
#define LEND_TRIES	 16

void tree_close(struct tree *t)
{
	for (unsigned int i = 0; i < t->n; i++) {
		fd_close(&t->b[i].root_fd);
		fd_close(&t->b[i].base_fd);
	}
	fd_close(&t->swaps_fd);
	devices_close(&t->devices);
	t->n = 0;
	t->ready = false;
}

const struct branch *tree_find(const struct tree *t, enum controller c)
{
	for (unsigned int i = 0; i < t->n; i++)
		if (t->b[i].controllers & 1U << c)
			return &t->b[i];
	return NULL;
}

bool tree_host_swaps(const struct tree *t)
{
	char buf[512];
	ssize_t n = pread(t->swaps_fd, buf, sizeof(buf), 0);
	const char *nl = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;

	return nl && nl + 1 < buf + n; /* a row behind the heading */
}

static int make_base(int root_fd, const char *name)
{
	return mkdirat(root_fd, name, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

static int remove_base(int root_fd, const char *name)
{
	return unlinkat(root_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The root of a hierarchy is r-xr-xr-x (kernfs_create_root): without CAP_DAC_OVERRIDE even its
 * owner changes what is in it only by lending itself the write bit for a moment. Another engine may
 * do the same at the same time, and take the bit away between our two steps: then once more. */
static int change_root(int root_fd, const char *name, int (*change)(int root_fd, const char *name))
{
	int r = change(root_fd, name);

	for (int i = 0; i < LEND_TRIES && r == -EACCES; i++) {
		struct stat st;

		if (fstat(root_fd, &st) < 0 || fchmod(root_fd, (st.st_mode & 07777) | S_IWUSR) < 0)
			return -errno;
		r = change(root_fd, name);
		if (fchmod(root_fd, st.st_mode & 07777 & ~(mode_t)S_IWUSR) < 0)
			return -errno;
	}
	return r;
}

/* A new v1 cpuset has no cpus and no memory nodes, and no task may join it (ENOSPC). It takes its
 * parent's; clone_children makes the kernel give them to its children (cgroup-v1/cgroups.rst). */
static int inherit_cpuset(int dirfd, int parent_fd, const char *file, struct err *e)
{
	_cleanup_free_ char *own = NULL, *parent = NULL;
	int r = fd_read_file_at(dirfd, file, CONTROL_TEXT_MAX, &own, NULL);

	if (r == 0 && *own && *own != '\n')
		return 0;
	if (r == 0)
		r = fd_read_file_at(parent_fd, file, CONTROL_TEXT_MAX, &parent, NULL);
	if (r == 0)
		r = fd_write_file_at(dirfd, file, parent);
	return r < 0 ? err_errno(e, r, "%s: giving it its parent's", file) : 0;
}

int tree_share_cpuset(int dirfd, int parent_fd, struct err *e)
{
	int r = inherit_cpuset(dirfd, parent_fd, "cpuset.cpus", e);

	if (r == 0)
		r = inherit_cpuset(dirfd, parent_fd, "cpuset.mems", e);
	if (r < 0)
		return r;
	r = fd_write_file_at(dirfd, "cgroup.clone_children", "1");
	return r < 0 ? err_errno(e, r, "cgroup.clone_children") : 0;
}

int tree_hand_on(int dirfd, uint32_t controllers, struct err *e)
{
	_cleanup_free_ char *now = NULL;
	int r = fd_read_file_at(dirfd, "cgroup.subtree_control", CONTROL_TEXT_MAX, &now, NULL);

	if (r < 0)
		return err_errno(e, r, "cgroup.subtree_control");
	controllers &= ~(discover_controllers(now, " \n") | CTL_V2_BUILT_IN);
	for (unsigned int i = 0; i < CTL_COUNT; i++) {
		char text[32];

		if (!(controllers & 1U << i))
			continue;
		snprintf(text, sizeof(text), "+%s", controller_name((enum controller)i));
		r = fd_write_file_at(dirfd, "cgroup.subtree_control", text);
		if (r < 0)
			return err_errno(e, r, "cgroup.subtree_control: %s", text);
	}
	return 0;
}

static int prepare_branch(struct tree *t, struct branch *b, struct err *e)
{
	int r = 0;

	if (b->version == 2)
		r = tree_hand_on(b->root_fd, b->controllers, e);
	if (r < 0)
		return r;
	r = change_root(b->root_fd, t->name, make_base);
	if (r < 0)
		return err_errno(e, r, "making cgroup %s", t->name);
	b->base_fd = openat(b->root_fd, t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->base_fd < 0)
		return err_errno(e, errno, "opening cgroup %s", t->name);
	if (b->version == 2)
		return tree_hand_on(b->base_fd, b->controllers, e);
	if (b->controllers & 1U << CTL_CPUSET)
		return tree_share_cpuset(b->base_fd, b->root_fd, e);
	return 0;
}

/* Goes on without a hierarchy. */
static void leave_out(struct tree *t, unsigned int i, struct err *e)
{
	struct branch *b = &t->b[i];

	log_warn("done without %s, which is for lists of devices alone: %s", b->mount, e->text);
	if (b->version == 2)
		snprintf(t->devices.lacking, sizeof(t->devices.lacking), "%.120s", e->text);
	fd_close(&b->root_fd);
	fd_close(&b->base_fd);
	memmove(b, b + 1, (--t->n - i) * sizeof(*b));
	*e = (struct err){0};
}

int tree_open(struct tree *t, const struct layout *l, const char *name, struct err *e)
{
	*t = (struct tree){.name = name, .swaps_fd = -1, .devices = DEVICES_NONE};
	for (unsigned int i = 0; i < l->n; i++) {
		struct branch *b = &t->b[t->n++];

		*b = (struct branch){
			l->h[i].version, l->h[i].controllers, l->h[i].optional, "", -1, -1};
		strcpy(b->mount, l->h[i].mount);
		b->root_fd = open(b->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (b->root_fd >= 0)
			continue;
		err_errno(e, errno, "%s", b->mount);
		if (!b->optional)
			return -e->code;
		leave_out(t, t->n - 1, e);
	}
	/* A kernel without swap has no such file: nothing swaps then. */
	t->swaps_fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	return 0;
}

static bool has_swap_file(const struct tree *t)
{
	const struct branch *b = tree_find(t, CTL_MEMORY);
	struct stat st;

	return b && fstatat(b->base_fd,
			    b->version == 1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max",
			    &st, 0) == 0;
}

int tree_prepare(struct tree *t, struct err *e)
{
	struct err unheard;

	if (t->ready)
		return 0;
	e = e ? e : &unheard;
	for (unsigned int i = 0; i < t->n; i++) {
		int r;

		fd_close(&t->b[i].base_fd);
		r = prepare_branch(t, &t->b[i], e);
		if (r < 0 && t->b[i].optional) {
			leave_out(t, i--, e);
		} else if (r < 0) {
			tree_teardown(t, NULL);
			return err_prefix(e, "%s", t->b[i].mount);
		}
	}
	t->ready = true;
	t->swap_accounting = has_swap_file(t);
	devices_lose(&t->devices);
	return 0;
}

int tree_teardown(struct tree *t, struct err *e)
{
	int first = 0;

	for (unsigned int i = 0; i < t->n; i++) {
		struct branch *b = &t->b[i];
		int r = change_root(b->root_fd, t->name, remove_base);

		if (r == 0) {
			fd_close(&b->base_fd);
			t->ready = false;
		} else if (first == 0 && r == -EBUSY) {
			first = err_set(
				e, EBUSY, "cgroup %s in %s is still in use", t->name, b->mount);
		} else if (first == 0) {
			first = err_errno(e, r, "removing cgroup %s in %s", t->name, b->mount);
		}
	}
	return first;
}
