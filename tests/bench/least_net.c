/* SPDX-License-Identifier: MIT */
/*
 * The network half of the least-work program: writes rtnetlink messages by hand, so that no
 * library's caches are counted. Several messages go out in one send, each acknowledged.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "least_net.h"

#define NET4	 "10.217.0.0"
#define GATEWAY4 "10.217.0.1"
#define PREFIX4	 16
#define NET6	 "fd00:bed5::"
#define GATEWAY6 "fd00:bed5::1"
#define PREFIX6	 64

struct batch {
	_Alignas(NLMSG_ALIGNTO) unsigned char data[2048];
	size_t used;
	struct nlmsghdr *message;
	int count;
};

static void *room(struct batch *b, size_t size)
{
	void *at = b->data + b->used;

	b->used += NLMSG_ALIGN(size);
	b->message->nlmsg_len =
		(uint32_t)((unsigned char *)at + size - (unsigned char *)b->message);
	return at;
}

static void message(struct batch *b, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	b->message = (struct nlmsghdr *)(void *)(b->data + b->used);
	b->message->nlmsg_type = type;
	b->message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	b->message->nlmsg_seq = (uint32_t)++b->count;
	b->used += NLMSG_HDRLEN;
	memcpy(room(b, size), body, size);
}

static struct rtattr *attr(struct batch *b, uint16_t type, const void *value, size_t size)
{
	struct rtattr *a = room(b, RTA_LENGTH(size));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(a), value, size);
	return a;
}

static void attr_end(struct batch *b, struct rtattr *a)
{
	a->rta_len = (uint16_t)(b->data + b->used - (unsigned char *)a);
}

/* Sends all and reads one acknowledgement for each; the first error is the result. */
static int commit(struct batch *b)
{
	_Alignas(NLMSG_ALIGNTO) unsigned char answer[8192];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int error = 0, left = b->count;
	struct nlmsghdr *m;
	ssize_t n;

	if (fd < 0 || send(fd, b->data, b->used, 0) < 0)
		error = errno;
	while (!error && left > 0) {
		n = recv(fd, answer, sizeof(answer), 0);
		if (n < 0)
			error = errno;
		for (m = (void *)answer; n > 0 && NLMSG_OK(m, (uint32_t)n);
			m = NLMSG_NEXT(m, n), left--)
			if (m->nlmsg_type == NLMSG_ERROR && !error)
				error = -((struct nlmsgerr *)NLMSG_DATA(m))->error;
	}
	close(fd);
	errno = error;
	return error ? -1 : 0;
}

int net_outside(const char *bridge, const char *name, pid_t pid)
{
	struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, peer = {0};
	struct batch b = {.used = 0};
	struct rtattr *info, *data, *other;
	unsigned int master = if_nametoindex(bridge);

	if (!master)
		return -1;
	message(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	attr(&b, IFLA_IFNAME, name, strlen(name) + 1);
	attr(&b, IFLA_MASTER, &master, sizeof(master));
	info = attr(&b, IFLA_LINKINFO, NULL, 0);
	attr(&b, IFLA_INFO_KIND, "veth", 5);
	data = attr(&b, IFLA_INFO_DATA, NULL, 0);
	other = attr(&b, VETH_INFO_PEER, NULL, 0);
	memcpy(room(&b, sizeof(peer)), &peer, sizeof(peer));
	attr(&b, IFLA_IFNAME, "eth0", 5);
	attr(&b, IFLA_NET_NS_PID, &pid, sizeof(pid));
	attr_end(&b, other);
	attr_end(&b, data);
	attr_end(&b, info);
	return commit(&b);
}

static void link_up(struct batch *b, unsigned int index)
{
	struct ifinfomsg up = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	message(b, RTM_NEWLINK, 0, &up, sizeof(up));
}

static void address(struct batch *b, unsigned int index, uint8_t family, uint8_t prefix,
	const void *value, size_t size)
{
	struct ifaddrmsg m = {.ifa_family = family,
		.ifa_prefixlen = prefix,
		.ifa_index = index,
		.ifa_flags = IFA_F_NODAD};

	message(b, RTM_NEWADDR, NLM_F_CREATE, &m, sizeof(m));
	attr(b, IFA_LOCAL, value, size);
	attr(b, IFA_ADDRESS, value, size);
}

static void default_route(struct batch *b, uint8_t family, const void *gateway, size_t size)
{
	struct rtmsg m = {.rtm_family = family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST};

	message(b, RTM_NEWROUTE, NLM_F_CREATE, &m, sizeof(m));
	attr(b, RTA_GATEWAY, gateway, size);
}

int net_inside(uint32_t host)
{
	unsigned int lo = if_nametoindex("lo"), eth = if_nametoindex("eth0");
	struct batch b = {.used = 0};
	struct in6_addr six, gateway6;
	struct in_addr four, gateway4;
	/* 0, 1 and the last are taken; process ids repeat beyond this far later than addresses
	 * live. */
	uint16_t id = htons((uint16_t)(2 + host % 65000));

	if (!lo || !eth)
		return -1;
	inet_pton(AF_INET, NET4, &four);
	inet_pton(AF_INET, GATEWAY4, &gateway4);
	inet_pton(AF_INET6, NET6, &six);
	inet_pton(AF_INET6, GATEWAY6, &gateway6);
	memcpy((unsigned char *)&four + 2, &id, sizeof(id));
	memcpy((unsigned char *)&six + 14, &id, sizeof(id));
	link_up(&b, lo);
	address(&b, eth, AF_INET, PREFIX4, &four, sizeof(four));
	address(&b, eth, AF_INET6, PREFIX6, &six, sizeof(six));
	link_up(&b, eth);
	default_route(&b, AF_INET, &gateway4, sizeof(gateway4));
	default_route(&b, AF_INET6, &gateway6, sizeof(gateway6));
	return commit(&b);
}
