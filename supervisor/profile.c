/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor process may do: nothing that needs a privilege. The launcher has no profile:
 * it must hand on what the others keep.
 */
#include "profile.h"

#include <sys/resource.h>

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_CORE, 0, "its memory holds what users typed"},
	{RLIMIT_NOFILE, 65536,
		"some twenty descriptors for each of 2047 containers, and those of bind mounts"},
	{-1, 0, NULL},
};

static const struct priv_syscall syscalls[] = {
	PRIV_SYS(accept4, "connections of ctl"),
	PRIV_SYS(getsockopt, "who that is: SO_PEERCRED"),
	PRIV_SYS(openat, "containers' records and logs; resolv.conf"),
	PRIV_SYS(mkdirat, "a container's directory"),
	PRIV_SYS(fchmodat, "that of its log may be read through its descriptor"),
	PRIV_SYS(fsetxattr, "and written by its shim alone: an ACL"),
	PRIV_SYS(fchmod, "by whom it may be on a file system without ACLs"),
	PRIV_SYS(renameat, "a record that is complete takes its name"),
	PRIV_SYS(renameat2, "the same in newer C libraries"),
	PRIV_SYS(fsync, "and is waited for, by a thread that is there already"),
	PRIV_SYS(unlinkat, "a container that goes"),
	PRIV_SYS(newfstatat, "what is in a directory"),
	PRIV_SYS(getdents64, "containers that were there before"),
	PRIV_SYS(lseek, "readdir(3); the record of the host's network"),
	PRIV_SYS(ftruncate, "that record when it gets shorter"),
	PRIV_SYS(dup, "fdopendir(3) keeps what it is given"),
	PRIV_SYS(memfd_create, "specs and records too large for a frame"),
	PRIV_SYS(pipe2, "through which a process inside tells what a container takes of the disk"),
	PRIV_SYS(uname, "what ctl version tells"),
	PRIV_SYS(sched_getaffinity, "info tells how many processors there are"),
	PRIV_SYS(sysinfo, "qsort(3) of glibc up to 2.36 asks how much memory it may take"),
	PRIV_SYS_END,
};

static const struct priv_path paths[] = {
	{":state", PRIV_READ | PRIV_WRITE | PRIV_MAKE, "containers' records and logs"},
	{"/etc", PRIV_READ,
		"resolv.conf for containers; others replace that file, so its directory must be named"},
	{"/run/systemd/resolve", PRIV_READ, "where it may be a link to"},
	{"/run/NetworkManager", PRIV_READ, "likewise"},
	{"/run/resolvconf", PRIV_READ, "likewise"},
	{NULL, 0, NULL},
};

const struct priv_profile profile_supervisor = {
	.program = "supervisor",
	.user = "bulkhead",
	.fallback_uid = 0x6ff00001,
	.rlimits = rlimits,
	.syscalls = syscalls,
	.paths = paths,
};
