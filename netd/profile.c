/* SPDX-License-Identifier: MIT */
/*
 * What netd may do while it serves. Data only.
 */
#include <linux/sockios.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "netd.h"

static const struct priv_cap caps[] = {
	{CAP_NET_ADMIN,
		"links, addresses, nf_tables and /proc/sys/net of the host; the same in containers' namespaces"},
	{-1, NULL},
};

static const struct priv_cap enter_caps[] = {
	{CAP_NET_ADMIN, "as above"},
	{CAP_SYS_ADMIN,
		"setns(2) into a namespace given by path: debug runs without a container's first process"},
	{-1, NULL},
};

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_NOFILE, 65536, "a published port is a descriptor"},
	{RLIMIT_CORE, 0, "nothing of the host's network on disk"},
	{-1, 0, NULL},
};

static const struct priv_syscall syscalls[] = {
	PRIV_SYS_IF(socket, 0, PRIV_INT, AF_NETLINK, "links, nf_tables, lists of sockets"),
	PRIV_SYS_IF(socket, 0, PRIV_INT, AF_INET, "holds a published port"),
	PRIV_SYS_IF(socket, 0, PRIV_INT, AF_INET6, "likewise"),
	PRIV_SYS_IF(socket, 0, PRIV_INT, AF_UNIX, "if_nametoindex(3) asks through one"),
	PRIV_SYS(bind, "netlink sockets; published ports"),
	PRIV_SYS(sendto, "netlink requests"),
	PRIV_SYS(recvfrom, "netlink answers"),
	PRIV_SYS(getsockname, "which port or netlink address it got"),
	PRIV_SYS(getsockopt, "what kind of socket a container handed over"),
	PRIV_SYS(
		setsockopt, "sizes of netlink buffers, errors in words; a port's address in reuse"),
	PRIV_SYS(poll, "waits for netlink answers"),
	PRIV_SYS(ppoll, "likewise"),
	PRIV_SYS(pselect6, "libmnl looks whether an answer is there"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, SIOCGSKNS,
		"which network namespace a socket belongs to that a container handed over"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, SIOCGIFINDEX, "if_nametoindex(3)"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, SIOCGIFNAME, "if_indextoname(3)"),
	PRIV_SYS(openat, "sysctls of the network"),
	PRIV_SYS(getdents64, "which links have such"),
	PRIV_SYS(lseek, "readdir(3) of newer C libraries"),
	PRIV_SYS(sysinfo, "qsort(3) of glibc up to 2.36 asks how much memory it may take"),
	PRIV_SYS_END,
};

static const struct priv_syscall enter_syscalls[] = {
	PRIV_SYS(setns, "into a namespace given by path, and back"),
	PRIV_SYS_END,
};

static const struct priv_path paths[] = {
	{":sysctl", PRIV_READ | PRIV_WRITE, "/proc/sys/net, of which root's files are open to it"},
	{NULL, 0, NULL},
};

const struct priv_profile netd_profile = {
	.program = "netd",
	.user = "bulkhead-net",
	.fallback_uid = 0x6ff00002,
	.caps = caps,
	.rlimits = rlimits,
	.syscalls = syscalls,
	.paths = paths,
	.may = PRIV_TCP_BIND,
};

const struct priv_profile netd_enter_profile = {
	.program = "netd",
	.user = "bulkhead-net",
	.fallback_uid = 0x6ff00002,
	.caps = enter_caps,
	.rlimits = rlimits,
	.syscalls = syscalls,
	.also = enter_syscalls,
	.paths = paths,
	.may = PRIV_TCP_BIND,
};
