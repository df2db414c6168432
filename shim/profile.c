/* SPDX-License-Identifier: MIT */
/*
 * The shim's privileges, data only. It has two profiles, since its user namespace can be made only
 * as the container's own host user, and mapped only with two capabilities, which go right after.
 */
#include "profile.h"

#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "pidfd_info.h"

static const struct priv_cap starting_caps[] = {
	{CAP_SETUID, "uid_map: to map ids that are not its own, user_namespaces(7)"},
	{CAP_SETGID, "gid_map: likewise, and setgroups stays allowed inside"},
	{-1, NULL},
};

/* The workload is cloned in this profile and must be able to run without no_new_privs if its spec
 * says so; dumpable, or its map files in /proc would belong to root. No rlimits: the workload would
 * inherit them. */
const struct priv_profile profile_starting = {
	.program = "shim",
	.fallback_uid = 0x6ff00006,
	.dumpable = true,
	.new_privs = true,
	.caps = starting_caps,
};

static const struct priv_syscall running_syscalls[] = {
	PRIV_SYS(epoll_create1, "the loop"),
	PRIV_SYS(signalfd4, "the loop's signals"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIGPIPE, "a client that is gone is an errno"),
	PRIV_SYS_IF(openat, 2, PRIV_INT, LOG_OPEN_FLAGS,
		"the log, to append to: nothing can be read by name"),
	PRIV_SYS(renameat, "its rotation"),
	PRIV_SYS_IF(renameat2, 4, PRIV_INT, 0, "the same where there is no renameat"),
	PRIV_SYS(waitid, "how the workload and execs ended"),
	PRIV_SYS(wait4, "the end of a workload that it kills"),
	PRIV_SYS(pidfd_send_signal, "to the workload"),
	PRIV_SYS_IF(kill, 1, PRIV_INT, SIGKILL, "a check whose time is over, and what one leaves"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, TIOCSWINSZ, "the size of a terminal"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, PIDFD_ASK, "how a workload ended that is not its child"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_SETPIPE_SZ, "room for what a slow client has not taken"),
	PRIV_SYS_IF(socketpair, 0, PRIV_INT, AF_UNIX, "what a process says before execve"),
	PRIV_SYS_IF(setsockopt, 2, PRIV_INT, SO_PASSCRED, "by its pid as the kernel knows it"),
	PRIV_SYS(accept4, "the next engine, when this one has died"),
	PRIV_SYS_IF(getsockopt, 2, PRIV_INT, SO_PEERCRED, "whether that is root"),
	PRIV_SYS(fstatfs, "which pipes of clients can be handed over"),
	PRIV_SYS_IF(prctl, 0, PRIV_INT, PR_SET_NO_NEW_PRIVS, "Landlock asks for it"),
	PRIV_SYS(landlock_create_ruleset, "further bounds, once the log's directory is known"),
	PRIV_SYS(landlock_add_rule, "likewise"),
	PRIV_SYS(landlock_restrict_self, "likewise"),
	PRIV_SYS_END,
};

static const struct priv_path running_paths[] = {
	{":log", PRIV_WRITE | PRIV_MAKE, "the log and its rotation"},
	{NULL, 0, NULL},
};

/* It owns the user namespace of its container and so holds every capability there, none here; it
 * can join none: setns has no row. The keeper can, is forked in this profile, and goes behind no
 * filter: --new-privs leaves no_new_privs off for the containers that asked for that. */
const struct priv_profile profile_running = {
	.program = "shim",
	.fallback_uid = 0x6ff00006,
	.dumpable = false,
	.syscalls = running_syscalls,
	.paths = running_paths,
	.may = PRIV_SIGNAL, /* the workload, which is outside of it */
};
