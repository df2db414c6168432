/* SPDX-License-Identifier: MIT */
/*
 * Links, addresses and routes in a container's network namespace. Runs in netd. The socket comes
 * from a container: batch.c never waits on it.
 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "batch.h"
#include "rt.h"

#define LO_IFINDEX 1 /* LOOPBACK_IFINDEX of the kernel: the same in every namespace */

static int socket_option(int fd, int option)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, option, &v, &n) < 0 ? -1 : v;
}

int inside_check(int rtnl, int netns, struct err *e)
{
	_cleanup_fd_ int own = -1;
	struct stat a, b;

	if (socket_option(rtnl, SO_DOMAIN) != AF_NETLINK ||
		socket_option(rtnl, SO_PROTOCOL) != NETLINK_ROUTE)
		return err_set(e, EINVAL, "rtnl is not a NETLINK_ROUTE socket");
	if (netns < 0)
		return 0;
	own = ioctl(rtnl, SIOCGSKNS);
	if (own < 0)
		return err_errno(e, errno, "rtnl: its network namespace");
	if (fstat(own, &a) < 0 || fstat(netns, &b) < 0 || a.st_ino != b.st_ino ||
		a.st_dev != b.st_dev)
		return err_set(e, EINVAL,
			"rtnl is not a socket of the network namespace that came with it");
	return 0;
}

int inside_setup(int rtnl, const struct inside_want *w, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_link_up(LO_IFINDEX), "lo");
	batch_add(&b, rt_link_up(w->ifindex), "eth0");
	batch_add(&b, rt_addr4_add(w->ifindex, w->ip4, w->len4), "IPv4 address");
	if (w->len6)
		batch_add(&b, rt_addr6_add(w->ifindex, &w->ip6, w->len6), "IPv6 address");
	batch_add(&b, rt_default4_add(w->ifindex, w->gateway4), "default route");
	if (w->len6)
		batch_add(&b, rt_default6_add(w->ifindex, &w->gateway6), "IPv6 default route");
	if (batch_run(&b, rtnl, NULL, NULL, e) < 0)
		return err_prefix(e, "inside the container");
	return 0;
}

int inside_loopback(int rtnl, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_link_up(LO_IFINDEX), "lo");
	if (batch_run(&b, rtnl, NULL, NULL, e) < 0)
		return err_prefix(e, "inside the container");
	return 0;
}

int inside_open(int netns, struct err *e)
{
	_cleanup_fd_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (home < 0)
		return err_errno(e, errno, "/proc/self/ns/net");
	if (setns(netns, CLONE_NEWNET) < 0)
		return err_errno(
			e, errno, "entering the network namespace, as no rtnl socket came with it");
	fd = batch_socket(NETLINK_ROUTE, e);
	if (setns(home, CLONE_NEWNET) < 0) {
		log_error("no way back to the host's network namespace");
		abort();
	}
	return fd;
}
