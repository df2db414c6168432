/* SPDX-License-Identifier: MIT */
/*
 * Clones of device nodes; see device.h. Not mapped, and not without devices: what the node's mode
 * allows others, the container may do. Runs in the mounter, and trusts its file systems with
 * nothing: a user may serve one himself, which then is not asked.
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../proto/base/fd.h"

static int check_device(int fd, struct err *e)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return err_errno(e, errno, "reading what the device is");
	if (!S_ISCHR(st.stx_mode) && !S_ISBLK(st.stx_mode))
		return err_set(e, ENODEV, "this is no device");
	return 0;
}

static bool is_box(const struct mount_map *m)
{
	struct statx st;

	return m->owner == 0 &&
	       statx(m->source, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	       S_ISDIR(st.stx_mode);
}

int device_map(struct mntns *n, const struct mount_map *m, struct mount_mapped *ret, struct err *e)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
	int r = 0;

	if (is_box(m))
		r = mntns_unbox(n, m->source, &ret->again, &ret->tree);
	else
		ret->tree = r = mntns_host_clone(n, m->source, false);
	if (r < 0)
		return err_errno(e, r, "cloning the mount of the device");
	r = check_device(ret->tree, e);
	if (r == 0 && mount_setattr(ret->tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		r = err_errno(e, errno, "the mount of the device");
	return r;
}
