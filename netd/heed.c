/* SPDX-License-Identifier: MIT */
/*
 * The notifications of rtnetlink. Runs in netd; what the kernel says is believed.
 */
#include "heed.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

#include "annex.h"
#include "base/fd.h"
#include "hear.h"
#include "netd.h"
#include "rt_read.h"

#define GROUP(name) (1U << (RTNLGRP_##name - 1))

/* Of the fourteen notifications of an attach six are left. Each is in a buffer of its own
 * (rtnl_notify); netconf's begin with the link, and with forwarding when they are about that
 * (inet_netconf_fill_devconf). */
static int attach_filter(int fd, struct err *e)
{
	enum {
		TYPE = 4,
		FAMILY = NLMSG_HDRLEN,
		SECOND_TYPE = NLMSG_HDRLEN + 4 + 8 + 2,
		SECOND_VALUE = SECOND_TYPE + 2
	};
	const uint16_t netconf = htons(RTM_NEWNETCONF), new = htons(RTM_NEWLINK),
		       gone = htons(RTM_DELLINK), forwarding = htons(NETCONFA_FORWARDING);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, netconf, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, new, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, gone, 0, 6),
		/* What bridges say of their ports is said of links, too. */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FAMILY),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNSPEC, 4, 5),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SECOND_TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forwarding, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SECOND_VALUE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog p = {ARRAY_LEN(code), code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) < 0)
		return err_errno(e, errno, "filtering the kernel's notifications");
	return 0;
}

int heed_open(struct err *e)
{
	int fd = hear_open(NETLINK_ROUTE,
		GROUP(LINK) | GROUP(IPV4_IFADDR) | GROUP(IPV6_IFADDR) | GROUP(IPV4_NETCONF) |
			GROUP(IPV6_NETCONF),
		e);

	if (fd >= 0 && attach_filter(fd, e) < 0)
		fd_close(&fd);
	return fd;
}

static struct network *bridge_of(struct netd *d, int ifindex)
{
	struct network *n = d->networks;

	while (n && n->ifindex != ifindex)
		n = n->next;
	return n;
}

static struct member *member_of(struct network *n, int ifindex)
{
	struct member *m = n->members;

	while (m && m->ifindex != ifindex)
		m = m->next;
	return m;
}

static void on_link(struct netd *d, const struct rt_link *l, bool gone)
{
	struct network *n = bridge_of(d, l->ifindex);

	if (n) {
		n->amiss = gone || !l->up;
		return;
	}
	for (n = d->networks; n; n = n->next) {
		struct member *m = member_of(n, l->ifindex);

		if (!m && annex_heed(n, l, gone))
			return;
		if (!m)
			continue;
		m->amiss = !gone && (!l->up || l->master != network_bridge(n, m) ||
					    strcmp(l->name, m->link) != 0);
		if (gone) {
			m->ifindex = 0;
			m->gone_at = time_mono_ns();
		}
		return;
	}
}

static bool is_gateway(const struct network *n, const struct rt_addr *a)
{
	struct in6_addr gw6 = network_gateway6(n);

	if (a->six)
		return n->has6 && a->len == n->net6.len && memcmp(&a->ip6, &gw6, 16) == 0;
	return a->ip4 == pool_gateway(n->pool) && a->len == n->net4.len;
}

static void on_addr(struct netd *d, const struct rt_addr *a, bool gone)
{
	struct network *n = bridge_of(d, a->ifindex);

	if (n && is_gateway(n, a) == gone && !(a->six && IN6_IS_ADDR_LINKLOCAL(&a->ip6)))
		n->addresses_amiss = true;
}

/* Of all links (NETCONFA_IFINDEX_ALL), which is net/ipv4/ip_forward, or of a bridge. */
static void on_netconf(struct netd *d, struct nlmsghdr *h)
{
	struct nlattr *a[NETCONFA_MAX + 1];
	int ifindex;

	if (nlmsg_parse(h, sizeof(struct netconfmsg), a, NETCONFA_MAX, NULL) < 0 ||
		!a[NETCONFA_IFINDEX] || !a[NETCONFA_FORWARDING])
		return;
	ifindex = nla_get_s32(a[NETCONFA_IFINDEX]);
	if (nla_get_s32(a[NETCONFA_FORWARDING]) == 0 &&
		(ifindex == NETCONFA_IFINDEX_ALL || bridge_of(d, ifindex)))
		d->sysctls_amiss = true;
}

static int on_event(void *arg, struct nlmsghdr *h)
{
	struct netd *d = arg;
	struct rt_link l;
	struct rt_addr a;

	if (rt_link_read(h, &l))
		on_link(d, &l, h->nlmsg_type == RTM_DELLINK);
	else if (rt_addr_read(h, &a))
		on_addr(d, &a, h->nlmsg_type == RTM_DELADDR);
	else if (h->nlmsg_type == RTM_NEWNETCONF)
		on_netconf(d, h);
	return 0;
}

unsigned int heed_read(struct netd *d, int fd)
{
	unsigned int what = hear_read(fd, on_event, d) == -ENOBUFS ? HEED_AMISS : 0;

	if (d->sysctls_amiss)
		what |= HEED_AMISS;
	for (const struct network *n = d->networks; n; n = n->next) {
		what |= n->amiss || n->addresses_amiss ? HEED_AMISS : 0;
		for (const struct annex *a = n->annexes; a; a = a->next)
			what |= a->amiss ? HEED_AMISS : 0;
		for (const struct member *m = n->members; m; m = m->next)
			what |= (m->amiss ? HEED_AMISS : 0U) | (m->gone_at ? HEED_GONE : 0U);
	}
	return d->networks ? what : 0;
}
