/* SPDX-License-Identifier: MIT */
/*
 * Messages of rtnetlink, read. Runs in netd; what the kernel says is believed.
 */
#include "rt_read.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

/* IFLA_BRPORT_LOCKED is of 5.18: what isn't there isn't wrong. */
static void read_port(struct nlattr *data, struct rt_link *ret)
{
	struct nlattr *a[IFLA_BRPORT_MAX + 1];
	bool learns, floods, locked;

	if (nla_parse_nested(a, IFLA_BRPORT_MAX, data, NULL) < 0)
		return;
	ret->hairpin = a[IFLA_BRPORT_MODE] && nla_get_u8(a[IFLA_BRPORT_MODE]);
	learns = a[IFLA_BRPORT_LEARNING] && nla_get_u8(a[IFLA_BRPORT_LEARNING]);
	floods = a[IFLA_BRPORT_UNICAST_FLOOD] && nla_get_u8(a[IFLA_BRPORT_UNICAST_FLOOD]);
	locked = a[IFLA_BRPORT_LOCKED] && nla_get_u8(a[IFLA_BRPORT_LOCKED]);
	ret->open = learns || floods || (a[IFLA_BRPORT_LOCKED] && !locked);
	ret->outlet = floods && !learns && !locked && !ret->hairpin;
}

static void read_kind(struct nlattr *info, struct rt_link *ret)
{
	struct nlattr *a[IFLA_INFO_MAX + 1];

	if (nla_parse_nested(a, IFLA_INFO_MAX, info, NULL) < 0)
		return;
	ret->veth = a[IFLA_INFO_KIND] && nla_strcmp(a[IFLA_INFO_KIND], "veth") == 0;
	ret->bridge = a[IFLA_INFO_KIND] && nla_strcmp(a[IFLA_INFO_KIND], "bridge") == 0;
	if (a[IFLA_INFO_SLAVE_KIND] && a[IFLA_INFO_SLAVE_DATA] &&
		nla_strcmp(a[IFLA_INFO_SLAVE_KIND], "bridge") == 0)
		read_port(a[IFLA_INFO_SLAVE_DATA], ret);
}

bool rt_link_read(struct nlmsghdr *h, struct rt_link *ret)
{
	struct nlattr *a[IFLA_MAX + 1];
	struct ifinfomsg *i;

	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
		nlmsg_parse(h, sizeof(*i), a, IFLA_MAX, NULL) < 0)
		return false;
	i = nlmsg_data(h);
	if (i->ifi_family != AF_UNSPEC)
		return false;
	*ret = (struct rt_link){.ifindex = i->ifi_index,
		.up = i->ifi_flags & IFF_UP,
		.noarp = i->ifi_flags & IFF_NOARP};
	ret->master = a[IFLA_MASTER] ? nla_get_s32(a[IFLA_MASTER]) : 0;
	ret->peer = a[IFLA_LINK] ? nla_get_s32(a[IFLA_LINK]) : 0;
	if (a[IFLA_IFNAME])
		nla_strlcpy(ret->name, a[IFLA_IFNAME], sizeof(ret->name));
	if (a[IFLA_IFALIAS])
		nla_strlcpy(ret->alias, a[IFLA_IFALIAS], sizeof(ret->alias));
	if (a[IFLA_LINKINFO])
		read_kind(a[IFLA_LINKINFO], ret);
	return true;
}

bool rt_addr_read(struct nlmsghdr *h, struct rt_addr *ret)
{
	struct nlattr *a[IFA_MAX + 1], *ip;
	struct ifaddrmsg *m;

	if ((h->nlmsg_type != RTM_NEWADDR && h->nlmsg_type != RTM_DELADDR) ||
		nlmsg_parse(h, sizeof(*m), a, IFA_MAX, NULL) < 0)
		return false;
	m = nlmsg_data(h);
	/* On a link to one peer IFA_ADDRESS is that peer's; IPv6 has IFA_LOCAL there alone. */
	ip = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
	*ret = (struct rt_addr){.ifindex = (int)m->ifa_index,
		.six = m->ifa_family == AF_INET6,
		.len = m->ifa_prefixlen};
	if (!ip || nla_len(ip) != (ret->six ? 16 : 4) || (!ret->six && m->ifa_family != AF_INET))
		return false;
	if (ret->six)
		memcpy(&ret->ip6, nla_data(ip), sizeof(ret->ip6));
	else
		ret->ip4 = ntohl(nla_get_u32(ip));
	return true;
}
