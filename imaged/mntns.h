/* SPDX-License-Identifier: MIT */
/*
 * The mounter's private mount namespace, and its one hand in the host's.
 *
 * After mntns_enter() the process stands in a tmpfs of its own that holds nothing but
 *	images/ rootfs/		the store and the writable directories, bound from the host
 *	layers/			where layers are mounted
 *	box/			where one of mntns_unbox() is for a moment
 *	dev/			the host's /dev, for loop devices
 * and its paths are relative to that. A second thread stays behind in the host's mount namespace:
 * open_tree(2) clones a mount only for a caller in the mount's namespace (check_mnt in
 * fs/namespace.c), and coming back by setns(2) would take CAP_SYS_CHROOT.
 */
#pragma once

#include <stdbool.h>

#include "../proto/base/err.h"

struct mntns;

struct mntns_dirs {
	int images; /* directories on the host, O_PATH; borrowed */
	int rootfs;
	int dev; /* -1: no loop devices */
};

/* Makes or opens a directory that is root's alone, whatever the state directory around it allows.
 */
int mntns_own_dir(const char *parent, const char *name, struct err *e);

/* Call once, after priv_enter(): both threads then hold SYS_ADMIN alone. With keep_host the host's
 * mounts stay reachable by absolute path (debug runs read paths). There is no way back, and what it
 * returns lives as long as the process. */
int mntns_enter(const struct mntns_dirs *dirs, bool keep_host, struct mntns **ret, struct err *e);

/* The tmpfs; also the working directory. */
int mntns_dir(const struct mntns *n);

/* A detached clone of the mount and directory (or file) that `source` names, in the host's mount
 * namespace or in no namespace. The descriptor, or -errno; doesn't touch the file system itself. */
int mntns_host_clone(struct mntns *n, int source, bool recursive);

/* A box is a detached mount of its maker's whose root holds one file, "node". Sets *ret_node, a
 * clone of that file's mount alone. A detached mount can be cloned only since Linux 6.15, but put
 * somewhere, and that be cloned, for ever: then `box` is used up, and *ret_box is it anew. -ESTALE:
 * it had been used up before. 0 or another -errno. */
int mntns_unbox(struct mntns *n, int box, int *ret_box, int *ret_node);
