/* SPDX-License-Identifier: MIT */
/*
 * What an unpack worker may do: compute, read some descriptors and write another. Its bytes are
 * the image author's.
 */
#include <sys/resource.h>

#include "imaged.h"
#include "scratch.h"

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_NOFILE, 144,
		"channel, event loop, log; a request brings up to 127 layers and a file"},
	{RLIMIT_AS, 512ULL << 20,
		"names of a layer are bounded at 160 MiB, a zstd window at 32 MiB"},
	{RLIMIT_FSIZE, SCRATCH_END, "no layer's image is larger, nor what lies behind it"},
	{RLIMIT_CORE, 0, "a crash must not write image bytes anywhere"},
	{-1, 0, NULL},
};

/* No call that opens, connects, executes or makes a process: none of the common ones does. */
static const struct priv_syscall syscalls[] = {
	PRIV_SYS(pwrite64, "the image, block by block"),
	PRIV_SYS(ftruncate, "the image's end"),
	PRIV_SYS(fallocate, "room behind it (scratch.h)"),
	PRIV_SYS_END,
};

const struct priv_profile profile_unpack = {
	.program = "imaged-unpack",
	.user = "bulkhead-img",
	.fallback_uid = 0x6ff00003,
	.dumpable = false,
	.caps = NULL,
	.rlimits = rlimits,
	.syscalls = syscalls,
};
