/* SPDX-License-Identifier: MIT */
/*
 * What the fetch worker may do: speak with the network and write into pipes it is handed. Its bytes
 * are a registry's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "imaged.h"
#include "manifest.h"

/* Its own; nptl(7). */
#define SIG_LIBC_CANCEL 32
#define SIG_LIBC_SETXID 33

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_NOFILE, 256,
		"32 blobs: a pipe, a connection and a file each; name lookups; channel, loop, log"},
	{RLIMIT_FSIZE, MANIFEST_LAYER_MAX, "what is kept of a blob is no larger than one can be"},
	{RLIMIT_CORE, 0, "passwords and tokens are in memory"},
	{-1, 0, NULL},
};

static const struct priv_syscall syscalls[] = {
	PRIV_SYS_IF(socket, 0, PRIV_INT, AF_INET, "registries, name servers"),
	PRIV_SYS_IF(socket, 0, PRIV_INT, AF_INET6, "likewise"),
	PRIV_SYS_IF(
		socket, 0, PRIV_INT, AF_NETLINK, "getaddrinfo(3) asks which addresses there are"),
	{.nr = __NR_socket,
		.reason =
			"a cache of names (nscd) may not be asked: nor any other service of the host",
		.tested = true,
		.arg = 0,
		.mask = PRIV_INT,
		.value = AF_UNIX,
		.error = EAFNOSUPPORT},
	PRIV_SYS_IF(socketpair, 0, PRIV_INT, AF_UNIX, "a thread of the resolver wakes the loop"),
	PRIV_SYS(pipe2, "the same in other versions of libcurl"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_SETPIPE_SZ, "a blob's pipe"),
	PRIV_SYS(eventfd2, "the same in newer ones"),
	PRIV_SYS(connect, "registries, name servers"),
	PRIV_SYS(bind, "the netlink socket; Landlock keeps TCP ports from it"),
	PRIV_SYS(getsockname, "which address a connection has"),
	PRIV_SYS(getpeername, "likewise, at the other end"),
	PRIV_SYS(getsockopt, "how a connect ended"),
	PRIV_SYS(setsockopt, "keep-alive, no delay; buffers"),
	PRIV_SYS(sendto, "TCP; names asked for"),
	PRIV_SYS(recvfrom, "answers"),
	PRIV_SYS(sendmmsg, "a name's two questions in one"),
	PRIV_SYS(shutdown, "the end of a TLS connection"),
	PRIV_SYS(poll, "libcurl looks at a socket; the resolver waits"),
	PRIV_SYS(ppoll, "likewise in newer C libraries"),
	PRIV_SYS_IF(ioctl, 1, PRIV_INT, FIONREAD, "the resolver asks for an answer's size"),
	PRIV_SYS(openat, "certificates, the resolver's configuration; Landlock says which"),
	PRIV_SYS(newfstatat, "whether those have changed"),
	PRIV_SYS(access, "whether a file of certificates is there"),
	PRIV_SYS(faccessat, "the same in newer C libraries"),
	PRIV_SYS(faccessat2, "likewise"),
	PRIV_SYS(readlink, "the resolver's configuration may be a link"),
	PRIV_SYS(getdents64, "certificates of a registry"),
	PRIV_SYS(lseek, "readdir(3), stdio"),
	PRIV_SYS(uname, "the host's name, when names are searched in its domain"),
	PRIV_SYS_IF(
		clone, 0, CLONE_THREAD, CLONE_THREAD, "a thread for the resolver; never a process"),
	PRIV_SYS_ERRNO(
		clone3, ENOSYS, "its flags can't be looked at: the C library then takes clone"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIG_LIBC_SETXID,
		"the C library gets ready for threads when the first is made"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIG_LIBC_CANCEL, "likewise in pthread_cancel(3)"),
	PRIV_SYS(set_robust_list, "a thread's first calls"),
	PRIV_SYS(rseq, "likewise"),
	PRIV_SYS(sched_getaffinity, "malloc(3) of a new thread counts processors"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIGPIPE, "libcurl ignores it around each step"),
	{.nr = __NR_mmap,
		.reason = "a module of the resolver's that isn't loaded yet stays out",
		.tested = true,
		.arg = 2,
		.mask = PROT_EXEC,
		.value = PROT_EXEC,
		.error = EACCES},
	PRIV_SYS(sysinfo, "qsort(3) of glibc up to 2.36 asks how much memory it may take"),
	PRIV_SYS(clock_nanosleep, "the resolver between two tries"),
	PRIV_SYS_END,
};

/* Those that are links are followed: the right is to what they lead to. */
static const struct priv_path paths[] = {
	{":certs", PRIV_READ, "--certs-dir"},
	{"/etc/ssl", PRIV_READ, "the system's authorities, openssl.cnf"},
	{"/usr/lib/ssl", PRIV_READ, "likewise"},
	{"/usr/share/ca-certificates", PRIV_READ, "where their links lead to"},
	{"/usr/local/share/ca-certificates", PRIV_READ, "likewise"},
	{"/etc/resolv.conf", PRIV_READ, "the resolver's"},
	{"/run/systemd/resolve", PRIV_READ, "where that may be a link to"},
	{"/etc/hosts", PRIV_READ, "the resolver's"},
	{"/etc/host.conf", PRIV_READ, "the resolver's"},
	{"/etc/nsswitch.conf", PRIV_READ, "the resolver's"},
	{"/etc/gai.conf", PRIV_READ, "the resolver's"},
	{"/etc/services", PRIV_READ, "the resolver's"},
	{"/dev/urandom", PRIV_READ, "libcurl seeds its own numbers"},
	{NULL, 0, NULL},
};

const struct priv_profile profile_fetch = {
	.program = "imaged-fetch",
	.user = "bulkhead-img",
	.fallback_uid = 0x6ff00003,
	.dumpable = false,
	.caps = NULL,
	.rlimits = rlimits,
	.syscalls = syscalls,
	.paths = paths,
	.may = PRIV_TCP_CONNECT,
};
