/* SPDX-License-Identifier: MIT */
/*
 * The table of doctor.h. Data only.
 */
#include "doctor.h"

#define USERNS "/proc/sys/user/max_user_namespaces"
#define CLONE  "/proc/sys/kernel/unprivileged_userns_clone"
#define ARMOUR "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

#define NOTHING	   "no container starts"
#define NO_LIMIT   "a container that asks for such a limit is refused"
#define CONTROLLER "mount its cgroup hierarchy, or boot without cgroup_disable="

const struct doctor_row doctor_rows[] = {
	{"kernel", doctor_kernel, NULL, NOTHING, "boot Linux 5.19 or later"},
	{"user namespaces", doctor_above_zero, USERNS, "the engine does not start",
		"sysctl -w user.max_user_namespaces=65536; a kernel with CONFIG_USER_NS"},
	{"user namespaces without root", doctor_not_zero, CLONE,
		NOTHING ": shims hold no privilege when they make theirs",
		"sysctl -w kernel.unprivileged_userns_clone=1"},
	{"user namespaces under AppArmor", doctor_zero_or_none, ARMOUR,
		NOTHING ": shims hold no privilege when they make theirs",
		"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
	{"other namespaces", doctor_namespaces, NULL, NOTHING,
		"boot a kernel that has them: CONFIG_NAMESPACES, CONFIG_TIME_NS"},
	{"seccomp", doctor_seccomp, NULL, "the engine does not start: its filters can't be had",
		"boot a kernel with CONFIG_SECCOMP_FILTER"},
	{"Landlock", doctor_landlock, NULL,
		"what it can't bound is left to owners of files and to system call filters; the log says so at each start",
		"boot Linux 6.12 or later, with landlock among lsm="},
	{"erofs", doctor_filesystem, "erofs", "no image can be mounted; --rootfs DIR can be run",
		"boot a kernel with CONFIG_EROFS_FS"},
	{"overlay", doctor_filesystem, "overlay", "no image can be run; --rootfs DIR can",
		"boot a kernel with CONFIG_OVERLAY_FS"},
	{"image files as mounts", doctor_file_mounts, NULL,
		"each layer takes a loop device, which other programs of root can open",
		"boot Linux 6.12 or later with CONFIG_EROFS_FS_BACKED_BY_FILE"},
	{"cgroups", doctor_cgroups, NULL, "the engine does not start",
		"mount -t cgroup2 cgroup2 /sys/fs/cgroup"},
	{"cgroup memory", doctor_controller, "memory", NO_LIMIT, CONTROLLER},
	{"cgroup cpu", doctor_controller, "cpu", NO_LIMIT, CONTROLLER},
	{"cgroup cpuset", doctor_controller, "cpuset", NO_LIMIT, CONTROLLER},
	{"cgroup pids", doctor_controller, "pids",
		NO_LIMIT "; others may make any number of processes", CONTROLLER},
	{"IPv6", doctor_ipv6, NULL, "containers have IPv4 alone",
		"sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0"},
	{"bridged frames", doctor_bridge_frames, NULL,
		"frames between containers pass the host's IP rules too: the engine's let them through, others may not",
		"sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0"},
	{"ptrace", doctor_ptrace, NULL,
		"the engine's processes can't be traced, and each container has users of its own; inside one, whoever shares a user may trace",
		"sysctl -w kernel.yama.ptrace_scope=1; a kernel with CONFIG_SECURITY_YAMA"},
	{"core dumps", doctor_core_pattern, NULL,
		"it is run as root on the host, on what crashes in a container, and reads its memory",
		"sysctl -w kernel.core_pattern=core, or run with --ulimit core=1"},
	{"engine", doctor_engine_answers, NULL, "what only its processes see is left out",
		"do as it says"},
	{"group", doctor_group, NULL, "root alone may use the engine",
		"groupadd --system bulkhead, and start the engine anew"},
	{"users", doctor_users, NULL,
		"numeric ids stand for them, which others may be given by chance",
		"useradd --system --no-create-home --shell /usr/sbin/nologin, each"},
	{"uid range", doctor_uid_range, NULL,
		"that user's own containers could act as users of ours",
		"take the range out of /etc/subuid and /etc/subgid, or start with another --uid-base"},
	{"open files", doctor_rlimits, NULL,
		"fewer connections and ports can be held, and a --ulimit nofile above it fails the start",
		"start the engine with a higher one: ulimit -Hn 1048576, or LimitNOFILE= of its unit"},
	{0},
};
