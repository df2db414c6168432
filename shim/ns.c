/* SPDX-License-Identifier: MIT */
/*
 * Namespaces; see ns.h. Runs in the shim with SETUID and SETGID as its only capabilities, trusts
 * nobody else.
 */
#include "ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "child.h"

#define NS_MNT	   1
#define NS_TIME	   (NS_COUNT - 1)
#define STACK_SIZE 8192

/* The user namespace comes first: its capabilities are what the others ask for. */
static const struct {
	const char *name;
	int flag;
} namespaces[NS_COUNT] = {
	{"user", CLONE_NEWUSER},
	{"mnt", CLONE_NEWNS},
	{"pid", CLONE_NEWPID},
	{"net", CLONE_NEWNET},
	{"ipc", CLONE_NEWIPC},
	{"uts", CLONE_NEWUTS},
	{"cgroup", CLONE_NEWCGROUP},
	{"time", CLONE_NEWTIME},
};

static int write_map(int proc, const char *name, uint32_t base, struct err *e)
{
	char map[48];
	int r;

	snprintf(map, sizeof(map), "0 %u %u", base, NS_IDS);
	r = fd_write_file_at(proc, name, map);
	return r < 0 ? err_errno(e, r, "%s: mapping %u ids from %u", name, NS_IDS, base) : 0;
}

/* Through /proc of the parent: the child may not map ids that are not its parent's own. */
static int set_up(struct ns_first *f, uint32_t base, struct err *e)
{
	_cleanup_fd_ int proc = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/%d", f->pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_errno(e, errno, "%s", path);
	r = write_map(proc, "uid_map", base, e);
	if (r == 0)
		r = write_map(proc, "gid_map", base, e);
	if (r < 0)
		return r;
	f->userns = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	f->netns = openat(proc, "ns/net", O_RDONLY | O_CLOEXEC);
	if (f->userns < 0 || f->netns < 0)
		return err_errno(e, errno, "%s/ns", path);
	return 0;
}

/* The cgroup namespace is not made here: its root is the cgroup at that moment, and the process
 * joins its own only later, cgroup_namespaces(7). */
static pid_t clone_first(bool host_net, int *ret_pidfd)
{
	struct clone_args a = {
		.flags = CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_NEWTIME | (host_net ? 0 : CLONE_NEWNET),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

int ns_create(uint32_t uid_base, bool host_net, struct ns_first *ret, struct err *e)
{
	int pair[2], r;

	*ret = (struct ns_first){.pidfd = -1, .userns = -1, .netns = -1, .rtnl = -1, .sock = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, errno, "making a socket pair");
	ret->pid = clone_first(host_net, &ret->pidfd);
	if (ret->pid == 0)
		child_main(pair[1], host_net);
	close(pair[1]);
	ret->sock = pair[0];
	if (ret->pid < 0)
		return err_errno(e, errno, "making namespaces");
	r = set_up(ret, uid_base, e);
	/* One byte: the maps are written. */
	if (r == 0 && send(ret->sock, "", 1, MSG_NOSIGNAL) != 1)
		r = err_errno(e, errno, "the first process does not listen");
	return r;
}

int ns_open_own(int proc, int fds[NS_COUNT])
{
	_cleanup_fd_ int dir = openat(proc, "self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : 0;

	for (int i = 0; i < NS_COUNT; i++) {
		fds[i] = r < 0 ? -1 : openat(dir, namespaces[i].name, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0 && r == 0)
			r = -errno;
	}
	return r;
}

static int join_one(const int fds[NS_COUNT], int i, struct err *e)
{
	if (setns(fds[i], namespaces[i].flag) < 0)
		return err_errno(
			e, errno, "joining the container's %s namespace", namespaces[i].name);
	return 0;
}

/* A container in the host's network shares it with us; joining it, if only once more, takes
 * CAP_SYS_ADMIN over it (netns_install). */
static bool is_our_network(int fd)
{
	struct stat ours, its;

	return stat("/proc/self/ns/net", &ours) == 0 && fstat(fd, &its) == 0 &&
	       ours.st_ino == its.st_ino && ours.st_dev == its.st_dev;
}

int ns_join(const int fds[NS_COUNT], struct err *e)
{
	const bool shared = is_our_network(fds[NS_NET]);
	int r = 0;

	for (int i = 0; i < NS_TIME && r == 0; i++)
		if (i != NS_NET || !shared)
			r = join_one(fds, i, e);
	return r;
}

int ns_join_time(const int fds[NS_COUNT], struct err *e)
{
	return join_one(fds, NS_TIME, e);
}

/* ---- letting go ---- */

struct closer {
	int mnt, go[2];
	_Alignas(16) char stack[STACK_SIZE];
};

/* Shares the caller's memory, so it touches nothing but its stack; its descriptors are its own. */
static int closer(void *arg)
{
	const struct closer *c = arg;
	int keep[2] = {MIN(c->mnt, c->go[0]), MAX(c->mnt, c->go[0])};
	char byte;

	fd_close_all_but(0, keep, 2);
	/* Until the caller has closed its own. */
	while (read(c->go[0], &byte, 1) < 0)
		;
	_exit(0);
}

/* Unmounting an overlay syncs the whole file system that its upper directory lies in (ovl_sync_fs):
 * seconds on a busy disk. */
static void close_elsewhere(int *mnt)
{
	struct closer *c = malloc(sizeof(*c)); /* stays until this process ends */

	if (c && pipe2(c->go, O_CLOEXEC) == 0) {
		c->mnt = *mnt;
		clone(closer, c->stack + STACK_SIZE, CLONE_VM | CLONE_PARENT | SIGCHLD, c);
		close(c->go[0]);
		fd_close(mnt);
		close(c->go[1]);
	}
	fd_close(mnt);
}

void ns_close(int fds[NS_COUNT])
{
	if (fds[NS_MNT] >= 0)
		close_elsewhere(&fds[NS_MNT]);
	for (int i = 0; i < NS_COUNT; i++)
		fd_close(&fds[i]);
}
