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

/* Who may give devices tells which they are, for the list of what a container may open. */
static bool is_node(const struct statx *st, const struct device_rule *node)
{
	return *node->kind == (S_ISBLK(st->stx_mode) ? 'b' : 'c') &&
	       node->major == st->stx_rdev_major && node->minor == st->stx_rdev_minor;
}

static int look(int dir, const char *path, struct statx *ret, struct err *e)
{
	if (statx(dir, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, ret) < 0)
		return err_errno(e, errno, "reading what the device is");
	return 0;
}

bool device_on_dev(struct mntns *n, int fd)
{
	struct statx st, dev;

	return look(fd, "", &st, NULL) == 0 && look(mntns_dir(n), "dev", &dev, NULL) == 0 &&
	       st.stx_dev_major == dev.stx_dev_major && st.stx_dev_minor == dev.stx_dev_minor;
}

/* A node that is not from a box is one of the host's /dev, whose file system answers whoever looks
 * at it there. */
static int check_device(
	struct mntns *n, const struct mount_map *m, int fd, bool boxed, struct err *e)
{
	struct statx st;
	int r = look(fd, "", &st, e);

	if (r < 0)
		return r;
	if (!S_ISCHR(st.stx_mode) && !S_ISBLK(st.stx_mode))
		return err_set(e, ENODEV, "this is no device");
	if (m->node && !is_node(&st, m->node))
		return err_set(e, ENODEV, "this is another device by now");
	if (!boxed && !device_on_dev(n, fd))
		return err_set(e, EPERM, "this is no device of the host's /dev");
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
	bool boxed = is_box(m);
	int r;

	if (boxed)
		r = mntns_unbox(n, m->source, &ret->again, &ret->tree);
	else
		ret->tree = r = mntns_host_clone(n, m->source, false);
	if (r == -ESTALE)
		return err_set(e, ESTALE, "the device is lost with an answer that was never given");
	if (r < 0)
		return err_errno(e, r, "cloning the mount of the device");
	r = check_device(n, m, ret->tree, boxed, e);
	if (r == 0 && mount_setattr(ret->tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		r = err_errno(e, errno, "the mount of the device");
	return r;
}
