/* SPDX-License-Identifier: MIT */
/*
 * What the mounter may do. It is root so that its directories need no other owner, but holds only
 * the capability that mounting takes: files of other users are as closed to it as to anybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/capability.h>
#include <sys/resource.h>

#include "imaged.h"

static const struct priv_cap caps[] = {
	{CAP_SYS_ADMIN, "fsmount, open_tree, mount_setattr and LOOP_CONFIGURE ask for it"},
	{-1, NULL},
};

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_CORE, 0, "what it holds are descriptors of others"},
	{RLIMIT_MEMLOCK, 0, "locks no memory"},
	{RLIMIT_NOFILE, 4096,
		"the layers of a container that starts, of eight while they are copied, and a few"},
	{-1, 0, NULL},
};

static const struct priv_syscall syscalls[] = {
	PRIV_SYS(fsopen, "a layer's mount"),
	PRIV_SYS(fsconfig, "likewise"),
	PRIV_SYS(fsmount, "likewise"),
	PRIV_SYS(move_mount, "puts it where it can be cloned; never into the host's namespace"),
	PRIV_SYS(open_tree, "the clone that a container gets; a bind source's"),
	PRIV_SYS(mount_setattr, "maps that clone for the container's ids, read-only"),
	PRIV_SYS(umount2, "a layer that goes"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, NS_GET_NSTYPE, "whether a descriptor is a user namespace"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, LOOP_CTL_GET_FREE,
		"kernels before 6.12 mount an image through a loop device"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, LOOP_CONFIGURE, "likewise"),
	PRIV_SYS(openat, "the store; loop devices"),
	PRIV_SYS(newfstatat, "what is in the store"),
	PRIV_SYS(statx,
		"what a device that a container is given is, without asking its file system"),
	PRIV_SYS(fstatfs, "which file systems can be mapped"),
	PRIV_SYS(getdents64, "what is in the store, at the start"),
	PRIV_SYS(lseek, "readdir(3)"),
	PRIV_SYS(mkdir, "where layers are mounted, and containers' directories"),
	PRIV_SYS(mkdirat, "the same in newer C libraries"),
	PRIV_SYS(rmdir, "likewise, gone"),
	PRIV_SYS(unlinkat, "layers and records that go; the same in newer C libraries"),
	PRIV_SYS(chmod, "a container's directory is open to the container's ids"),
	PRIV_SYS(fchmodat, "the same in newer C libraries"),
	PRIV_SYS(renameat, "a layer or record that is complete takes its name"),
	PRIV_SYS(renameat2, "the same in newer C libraries"),
	PRIV_SYS(copy_file_range, "a container's private copies of layers, by the kernel"),
	PRIV_SYS(fdatasync, "a layer is on disk before its mark says so"),
	PRIV_SYS(fsync, "a record is, and its name, before the one that it replaces goes"),
	PRIV_SYS_IF(getsockopt, 2, PRIV_INT, SO_TYPE, "whether what came as a worker is a channel"),
	PRIV_SYS(pipe2, "from the fetch worker to an unpack worker"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_SETPIPE_SZ, "a larger one"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_SETLEASE, "whether a layer's image is open for writing"),
	PRIV_SYS_IF(clone, 0, CLONE_THREAD, CLONE_THREAD,
		"threads that copy layers or wait for the disk; never a process"),
	PRIV_SYS_ERRNO(
		clone3, ENOSYS, "its flags can't be looked at: the C library then takes clone"),
	PRIV_SYS(set_robust_list, "a thread's first calls"),
	PRIV_SYS(rseq, "likewise"),
	PRIV_SYS(sched_getaffinity, "malloc(3) of a new thread counts processors"),
	PRIV_SYS(sysinfo, "qsort(3) of glibc up to 2.36 asks how much memory it may take"),
	PRIV_SYS_END,
};

/* No rows of files: Landlock that bounds files forbids to mount. Instead of it there is a mount
 * namespace of which nothing leads anywhere but to the store, rootfs/ and /dev (mntns.h). */
const struct priv_profile profile_mounter = {
	.program = "imaged",
	.user = NULL,
	.fallback_uid = 0,
	.dumpable = false,
	.caps = caps,
	.rlimits = rlimits,
	.syscalls = syscalls,
	.may = PRIV_MOUNT,
};
