/* SPDX-License-Identifier: MIT */
/*
 * The privilege of cgroupd while it serves, a reason a row. Data only.
 */
#include "profile.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/resource.h>

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_CORE, 0, "its memory holds nothing that a file should"},
	{RLIMIT_NOFILE, 4096, "one descriptor for each of 2047 containers, and a few"},
	{RLIMIT_MEMLOCK, 0, "locks no memory"},
	{-1, 0, NULL},
};

static const struct priv_syscall syscalls[] = {
	PRIV_SYS(openat, "control files"),
	PRIV_SYS(mkdirat, "a container's cgroups"),
	PRIV_SYS(unlinkat, "likewise, gone"),
	PRIV_SYS(getdents64, "cgroups that an earlier cgroupd has left"),
	PRIV_SYS(lseek, "readdir(3) of newer C libraries"),
	PRIV_SYS(newfstatat, "whether this kernel accounts for swap: the file is there or not"),
	PRIV_SYS(fchmod, "lends itself the write bit of a hierarchy's root, see tree.c"),
	PRIV_SYS_IF(bpf, 0, PRIV_INT, BPF_MAP_UPDATE_ELEM, "the rows of a container's devices"),
	PRIV_SYS_IF(bpf, 0, PRIV_INT, BPF_MAP_DELETE_ELEM, "likewise, gone"),
	PRIV_SYS_IF(bpf, 0, PRIV_INT, BPF_MAP_GET_NEXT_KEY, "which there are"),
	PRIV_SYS_IF(bpf, 0, PRIV_INT, BPF_MAP_LOOKUP_ELEM, "and what they allow"),
	PRIV_SYS(eventfd2, "how cgroup v1 tells of out-of-memory kills"),
	PRIV_SYS_END,
};

static const struct priv_path paths[] = {
	{":own", PRIV_READ | PRIV_WRITE | PRIV_MAKE, "the engine's cgroup in each hierarchy"},
	{":root", PRIV_RMDIR, "removes that at the end; no file above it can be opened"},
	{NULL, 0, NULL},
};

/* uid 0 because cgroup directories belong to root, and because v1 lets only a cgroup.procs that
 * root opened move processes of other uids. Their owner needs no capability for either. */
const struct priv_profile cgroupd_profile = {
	.program = "cgroupd",
	.user = NULL,
	.fallback_uid = 0,
	.dumpable = false,
	.caps = NULL,
	.rlimits = rlimits,
	.syscalls = syscalls,
	.paths = paths,
};
