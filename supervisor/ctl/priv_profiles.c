/* SPDX-License-Identifier: MIT */
/*
 * The processes of ctl that read foreign bytes, data only. They run as the caller, who may be root:
 * root without capabilities still owns most files of a host, so no call is left that takes a name
 * and that Landlock does not judge (chmod, chown, times, attributes: by descriptor alone).
 */
#include "priv_profiles.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const struct priv_rlimit limits[] = {
	{RLIMIT_AS, 1ULL << 30, "what a stream may make it remember: names of directories"},
	{RLIMIT_NOFILE, 65536,
		"of its own few; but all that the caller's processes have on their way to each other count as one sends (unix(7), ETOOMANYREFS)"},
	{RLIMIT_CORE, 0, "no dump of it among the caller's files"},
	{-1, 0, NULL},
};

static const struct priv_path dest[] = {
	{":dest", PRIV_READ | PRIV_WRITE | PRIV_MAKE | PRIV_LINK, "what is copied grows there"},
	{NULL, 0, NULL},
};
static const struct priv_path nowhere[] = {{NULL, 0, NULL}};

static const struct priv_syscall unpacking[] = {
	PRIV_SYS(openat2, "files and directories below the destination"),
	PRIV_SYS(newfstatat, "what is in the way of an entry"),
	PRIV_SYS(mkdirat, "directories"),
	PRIV_SYS(symlinkat, "links"),
	PRIV_SYS(linkat, "second names of files"),
	PRIV_SYS_IF(mknodat, 2, S_IFMT, S_IFIFO, "FIFOs, and no devices"),
	PRIV_SYS(renameat, "a file that is whole takes the place of another"),
	PRIV_SYS(renameat2, "likewise"),
	PRIV_SYS(unlinkat, "what is not whole goes"),
	PRIV_SYS(lseek, "holes of sparse files"),
	PRIV_SYS(ftruncate, "likewise at the end"),
	PRIV_SYS(fchmod, "modes"),
	PRIV_SYS(fsetxattr, "what else a file has"),
	PRIV_SYS_IF(utimensat, 1, UINT64_MAX, 0, "futimens(3), and not of a name"),
	PRIV_SYS_END,
};

const struct priv_profile profile_unpack = {
	.program = "ctl-unpack",
	.rlimits = limits,
	.syscalls = unpacking,
	.paths = dest,
};

/* It reads numbers and holds descriptors of what it gives away, no byte of a container. */
static const struct priv_cap giving_caps[] = {
	{CAP_CHOWN, "cp -a by root: files are given to whom they belong inside"},
	{-1, NULL},
};
static const struct priv_syscall giving[] = {
	PRIV_SYS(fchown, "by descriptor alone; not of O_PATH's, which Landlock doesn't judge"),
	PRIV_SYS_END,
};

const struct priv_profile profile_give = {
	.program = "ctl-give",
	.caps = giving_caps,
	.rlimits = limits,
	.syscalls = giving,
	.paths = nowhere,
};

/* From one pipe to another. */
static const struct priv_syscall feeding[] = {
	PRIV_SYS(lseek, "libarchive asks whether stdin is a file"),
	PRIV_SYS_END,
};

const struct priv_profile profile_feed = {
	.program = "ctl-feed",
	.rlimits = limits,
	.syscalls = feeding,
	.paths = nowhere,
};
