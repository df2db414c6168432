/* SPDX-License-Identifier: MIT */
/*
 * The container's root: an overlay of the image's layers and a writable directory, or one mapped
 * tree. Mounted by the first process, so that overlayfs acts with the credentials of the
 * container's root and no others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "inroot.h"
#include "mnt.h"
#include "phase.h"

#define VOLATILE_MARK "work/work/incompat/volatile" /* ovl_create_volatile_dirty() */

/* Detached mounts belong to the mount namespace of whoever made them; overlayfs takes only what its
 * mounter could clone itself, so they are attached first (clone_private_mount, Linux 6.16). */
static int attach(int mnt, int dir, const char *name, struct err *e)
{
	int r = mkdirat(dir, name, 0755) < 0 ? -errno : mnt_put(mnt, dir, name);

	return r < 0 ? err_errno(e, r, "attaching %s", name) : 0;
}

/* upper's mode and owner are those of the container's "/". Either may be there already: of an
 * earlier start, of one that was cut off, or of a removal that was. */
static int make_upper(int writable, struct err *e)
{
	umask(0);
	if ((mkdirat(writable, "upper", 0755) < 0 && errno != EEXIST) ||
		(mkdirat(writable, "work", 0700) < 0 && errno != EEXIST))
		return err_errno(e, errno, "making the writable layer");
	return 0;
}

/* Unmounting an overlay syncs the whole file system that upper lies on, but a volatile one. What
 * was mounted so is not mounted again while it has this mark, for the host may have crashed;
 * overlayfs.rst "Volatile mount". Only `restart` mounts it again, and of a host that has crashed
 * no such container is left. */
static int make_volatile(int writable, struct err *e)
{
	if ((unlinkat(writable, VOLATILE_MARK "/dirty", 0) < 0 && errno != ENOENT) ||
		(unlinkat(writable, VOLATILE_MARK, AT_REMOVEDIR) < 0 && errno != ENOENT))
		return err_errno(e, errno, "mounting the writable layer again");
	return 0;
}

/* Names below the current directory keep 128 layers within the one page that mount(2) takes. */
static int overlay_options(const struct order *o, char *buf, size_t size)
{
	const struct shim_start *m = &o->msg;
	int n = snprintf(buf, size, "userxattr,%supperdir=w/upper,workdir=w/work,lowerdir=",
		o->spec.volatile_root ? "volatile," : "");

	for (uint32_t i = m->layers.n; i-- > 0 && (size_t)n < size;)
		n += snprintf(buf + n, size - (size_t)n, "%u%s", i, i > 0 ? ":" : "");
	return (size_t)n < size ? 0 : -E2BIG;
}

static int mount_overlay(struct child *c, struct order *o, struct err *e)
{
	_cleanup_fd_ int dir = openat(c->work, "layers", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char options[1024], name[12];
	int r;

	if (dir < 0)
		return err_errno(e, errno, "/mnt/layers");
	for (uint32_t i = 0; i < o->msg.layers.n; i++) {
		snprintf(name, sizeof(name), "%u", i);
		r = attach(o->msg.layers.v[i], dir, name, e);
		if (r < 0)
			return r;
	}
	r = attach(o->msg.writable, dir, "w", e);
	if (r == 0)
		r = make_upper(o->msg.writable, e);
	if (r == 0 && o->spec.volatile_root)
		r = make_volatile(o->msg.writable, e);
	if (r == 0 && overlay_options(o, options, sizeof(options)) < 0)
		r = err_set(e, E2BIG, "%u layers are too many", o->msg.layers.n);
	if (r < 0)
		return r;
	if (fchdir(dir) < 0 || mount("overlay", "../root", "overlay", 0, options) < 0)
		return err_errno(e, errno, "mounting the overlay of %u layers", o->msg.layers.n);
	return 0;
}

int phase_rootfs(struct child *c, struct order *o, struct err *e)
{
	int r;

	if (o->msg.rootfs >= 0) {
		r = mnt_put(o->msg.rootfs, c->work, "root");
		/* A clone of the host's is a peer of it where that is shared, as systemd makes all:
		 * what is mounted below would appear there, and pivot_root(2) would refuse it. */
		if (r == 0)
			r = mnt_change(o->msg.rootfs, 0, 0, MS_PRIVATE, true);
		if (r < 0)
			return err_errno(e, r, "attaching the tree");
	} else if (o->msg.layers.n == 0 || o->msg.writable < 0) {
		return err_set(e, EINVAL, "neither a tree nor layers with a writable directory");
	} else {
		r = mount_overlay(c, o, e);
		if (r < 0)
			return r;
	}
	c->root = openat(c->work, "root", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return c->root < 0 ? err_errno(e, errno, "opening the root") : 0;
}

/* ---- what the engine puts in ---- */

static int move_tree(int tree, int root, const char *name, struct err *e)
{
	_cleanup_fd_ int target = -1;
	int r = inroot_real_dir(root, name, &target, e);

	if (r < 0)
		return r;
	r = mnt_put_on(tree, target);
	return r < 0 ? err_errno(e, r, "moving /%s into place", name) : 0;
}

/* --privileged: fresh ones without masks; the masked ones leave with the old root. */
static int unmask(struct child *c, struct err *e)
{
	int r = standby_proc(c, true, e);

	return r < 0 ? r : standby_sys(c, true, e);
}

/* The size of a tmpfs can be changed only by its own options, not by the mount's. */
static int resize_shm(struct child *c, uint64_t bytes, struct err *e)
{
	_cleanup_fd_ int shm = openat(c->dev, "shm", O_PATH | O_DIRECTORY | O_CLOEXEC), fs = -1;
	char size[24];

	snprintf(size, sizeof(size), "%lu", bytes);
	fs = shm < 0 ? -1 : fspick(shm, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return err_errno(e, errno, "setting the size of /dev/shm to %s bytes", size);
	return 0;
}

int phase_system(struct child *c, struct order *o, struct err *e)
{
	int r = o->spec.unmask ? unmask(c, e) : 0;

	if (r == 0 && o->spec.shm_size)
		r = resize_shm(c, o->spec.shm_size, e);
	if (r == 0)
		r = move_tree(c->proc, c->root, "proc", e);
	if (r == 0)
		r = move_tree(c->sys, c->root, "sys", e);
	return r < 0 ? r : move_tree(c->dev, c->root, "dev", e);
}

/* Only the root mount itself: what is mounted below keeps its own mode, as /dev/shm must. */
int phase_readonly(struct child *c, struct order *o, struct err *e)
{
	int r = o->spec.readonly ? mnt_change(c->root, MOUNT_ATTR_RDONLY, 0, 0, false) : 0;

	return r < 0 ? err_errno(e, r, "making the root read-only") : 0;
}

/* The old root goes on top of the new one and is gone with everything the host had there;
 * pivot_root(2). */
int phase_pivot(struct child *c, struct order *o, struct err *e)
{
	(void)o;
	if (fchdir(c->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(e, errno, "changing the root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_errno(e, errno, "leaving the old root");
	return chdir("/") < 0 ? err_errno(e, errno, "entering the root") : 0;
}
