/* SPDX-License-Identifier: MIT */
/*
 * PIDFD_GET_INFO as the first kernel had it that knows of it (linux/pidfd.h of 6.13; later ones
 * take the shorter structure too): younger than Debian 12's headers.
 */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

struct pidfd_info_v0 {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code; /* as waitpid has it */
};
_Static_assert(sizeof(struct pidfd_info_v0) == 64, "PIDFD_INFO_SIZE_VER0");

#define PIDFD_ASK      _IOWR(0xFF, 11, struct pidfd_info_v0)
#define PIDFD_ASK_EXIT (1ULL << 3) /* PIDFD_INFO_EXIT, 6.15 */
