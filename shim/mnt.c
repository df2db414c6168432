/* SPDX-License-Identifier: MIT */
/*
 * Mount helpers; see mnt.h. Runs in the workload's first process, as root of its user namespace.
 */
#include "mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

/* A file system context queues its messages as "e text"; fsopen(2). */
static int context_error(int fs, const char *type, struct err *e)
{
	int saved = errno;
	char words[160];
	ssize_t n = read(fs, words, sizeof(words) - 1);

	if (n < 3)
		return err_errno(e, saved, "mounting %s", type);
	words[n] = '\0';
	words[strcspn(words, "\n")] = '\0';
	return err_errno(e, saved, "mounting %s: %s", type, words + 2);
}

int mnt_new(const char *type, const struct mnt_option *options, unsigned int attrs, int *ret,
	struct err *e)
{
	_cleanup_fd_ int fs = fsopen(type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return err_errno(e, errno, "mounting %s", type);
	for (; options && options->key; options++)
		if (fsconfig(fs, options->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			    options->key, options->value, 0) < 0)
			return context_error(fs, type, e);
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return context_error(fs, type, e);
	*ret = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	return *ret < 0 ? context_error(fs, type, e) : 0;
}

int mnt_clone(int dir, const char *name, unsigned int attrs, bool recursive, int *ret)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW |
			     (*name ? 0 : AT_EMPTY_PATH) | (recursive ? AT_RECURSIVE : 0);
	_cleanup_fd_ int mnt = open_tree(dir, name, flags);
	int r;

	if (mnt < 0)
		return -errno;
	r = attrs ? mnt_change(mnt, attrs, 0, 0, recursive) : 0;
	if (r == 0)
		*ret = take_fd(&mnt);
	return r;
}

int mnt_put(int mnt, int dir, const char *name)
{
	return move_mount(mnt, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

int mnt_put_on(int mnt, int target)
{
	return move_mount(mnt, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
			       0
		       ? -errno
		       : 0;
}

int mnt_change(int mnt, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive)
{
	struct mount_attr a = {.attr_set = set, .attr_clr = clear, .propagation = propagation};

	return mount_setattr(
		       mnt, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a, sizeof(a)) < 0
		       ? -errno
		       : 0;
}
