/* SPDX-License-Identifier: MIT */
/*
 * Attempts by the network: the host's own services, links and addresses that are not the
 * container's. What a packet does once it is out is another test's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "escape.h"

#define WAIT_MS 700

static int raw(const struct attempt *a)
{
	static const struct {
		int family, type, protocol;
	} kinds[] = {{AF_PACKET, SOCK_RAW, 0x0300}, {AF_PACKET, SOCK_DGRAM, 0x0300},
		{AF_INET, SOCK_RAW, IPPROTO_RAW}, {AF_INET, SOCK_RAW, IPPROTO_ICMP},
		{AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}, {AF_INET6, SOCK_RAW, IPPROTO_RAW}};

	return socket(kinds[a->number].family, kinds[a->number].type, kinds[a->number].protocol) < 0
		       ? -errno
		       : 0;
}

/* A sender that isn't ours: without a capability the routes refuse it. */
static int spoof(const struct attempt *a)
{
	struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	inet_pton(AF_INET, "192.0.2.77", &from.sin_addr);
	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	to.sin_port = htons(9);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, (int)a->number, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

static int change_link(const struct attempt *a)
{
	struct ifreq r = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)a;
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		return -errno;
	return 0;
}

/* Believed by udev if it came from the kernel or from root. */
static int uevent(const struct attempt *a)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	(void)a;
	if (fd < 0)
		return -errno;
	return sendto(fd, "add@/escape", 12, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno
											: 0;
}

static int audit(const struct attempt *a)
{
	struct {
		struct nlmsghdr head;
		unsigned int status[11];
	} m = {{sizeof(m), 1001 /* AUDIT_SET */, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {0}};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
	} answer = {0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);

	(void)a;
	if (fd < 0 || send(fd, &m, sizeof(m), 0) < 0)
		return -errno;
	if (recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) < 0)
		return -errno;
	return answer.err.error;
}

/* ---- the host's services ---- */

static in_addr_t gateway(void)
{
	FILE *f = fopen("/proc/net/route", "re");
	char line[256], link[32];
	unsigned int to, via, found = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%31s %x %x", link, &to, &via) == 3 && to == 0)
			found = via;
	if (f)
		fclose(f);
	return found;
}

static int finish(int fd, int r)
{
	struct pollfd p = {fd, POLLOUT, 0};
	socklen_t n = sizeof(r);

	if (r == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, WAIT_MS) == 0)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &n);
	return -r;
}

enum way { PLAIN, BY_GATEWAY, BY_LINK, BY_ROUTE };

/* The port of a listener on the host's 127.0.0.1. */
static int host_loopback(const struct attempt *a)
{
	const char *port = getenv("ESCAPE_PORT");
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	in_addr_t via = gateway();
	unsigned char lsrr[] = {IPOPT_NOP, IPOPT_LSRR, 7, 4, 127, 0, 0, 1};

	if (!port || !via) {
		say("no ESCAPE_PORT or no gateway");
		return -ECHILD;
	}
	to.sin_port = htons((unsigned short)atoi(port));
	if (a->number == BY_GATEWAY || a->number == BY_ROUTE)
		to.sin_addr.s_addr = via;
	if (a->number == BY_LINK && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) < 0)
		return -errno;
	if (a->number == BY_ROUTE && setsockopt(fd, IPPROTO_IP, IP_OPTIONS, lsrr, sizeof(lsrr)) < 0)
		return -errno;
	return finish(fd, connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int connect_abstract(const char *name, size_t n)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
	int r = -ECONNREFUSED;

	memcpy(to.sun_path + 1, name, n);
	for (size_t i = 0; i < ARRAY_LEN(types) && r != 0; i++) {
		int fd = socket(AF_UNIX, types[i] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		r = connect(fd, (struct sockaddr *)&to,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0
			    ? -errno
			    : 0;
		close(fd);
	}
	if (r == 0)
		say("connected to @%.*s", (int)n, name);
	return r;
}

static int host_abstract(const struct attempt *a)
{
	const char *name = getenv("ESCAPE_ABSTRACT");

	(void)a;
	if (!name) {
		say("no ESCAPE_ABSTRACT");
		return -ECHILD;
	}
	return connect_abstract(name, strlen(name));
}

static int any_abstract(const struct attempt *a)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512], name[256];
	int r = -ENOENT;

	(void)a;
	while (f && r != 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s @%255[^\n]", name) == 1 &&
			strlen(name) <= 100)
			r = connect_abstract(name, strlen(name));
	if (f)
		fclose(f);
	return r;
}

static const struct attempt rows[] = {
	{"packet_raw", "ARP and router advertisements that are false: CVE-2020-13401", raw, NULL, 0,
		CAPS},
	{"packet_dgram", "likewise", raw, NULL, 1, CAPS},
	{"raw_ip", "senders that are false", raw, NULL, 2, CAPS},
	{"raw_icmp", "redirects that are false", raw, NULL, 3, CAPS},
	{"raw_icmp6", "router advertisements that are false: CVE-2020-13401", raw, NULL, 4, CAPS},
	{"raw_ip6", "senders that are false", raw, NULL, 5, CAPS},
	{"spoof_freebind", "a sender that is false", spoof, NULL, IP_FREEBIND, 0},
	{"spoof_transparent", "a sender that is false", spoof, NULL, IP_TRANSPARENT, CAPS},
	{"link_flags", "its links", change_link, NULL, 0, CAPS},
	{"uevent", "a device that udev believes in", uevent, NULL, 0, CAPS},
	{"audit", "the host's audit", audit, NULL, 0, 0},
	{"loopback", "CVE-2020-8558: a service on 127.0.0.1", host_loopback, NULL, PLAIN, 0},
	{"loopback_gateway", "CVE-2020-8558", host_loopback, NULL, BY_GATEWAY, 0},
	{"loopback_link", "CVE-2020-8558: 127.0.0.1 sent out by the link", host_loopback, NULL,
		BY_LINK, 0},
	{"loopback_source_route", "CVE-2020-8558: 127.0.0.1 behind the gateway", host_loopback,
		NULL, BY_ROUTE, 0},
	{"abstract", "CVE-2020-15257", host_abstract, NULL, 0, 0},
	{"abstract_any", "CVE-2020-15257", any_abstract, NULL, 0, 0},
};

const struct attempts net_attempts = {rows, ARRAY_LEN(rows)};
