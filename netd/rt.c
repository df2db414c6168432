/* SPDX-License-Identifier: MIT */
/*
 * rtnetlink requests, attribute by attribute. Runs in netd; its arguments were checked by the
 * callers.
 */
#include "rt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/time.h>

#define DUMP_SECONDS 5

/* A request that carries `head` and, if any of the puts failed, becomes NULL in finish(). */
static struct nl_msg *start(int type, int flags, const void *head, size_t size)
{
	struct nl_msg *m = nlmsg_alloc_simple(type, flags);

	if (m && nlmsg_append(m, (void *)(uintptr_t)head, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

static struct nl_msg *finish(struct nl_msg *m, int failed)
{
	if (!failed)
		return m;
	nlmsg_free(m);
	return NULL;
}

static struct nl_msg *link_start(int type, int flags, int ifindex, unsigned int up)
{
	struct ifinfomsg i = {
		.ifi_family = AF_UNSPEC, .ifi_index = ifindex, .ifi_flags = up, .ifi_change = up};

	return start(type, flags, &i, sizeof(i));
}

int rt_connect(struct nl_sock *sock, int protocol)
{
	const struct timeval patience = {.tv_sec = DUMP_SECONDS};
	int r = sock ? nl_connect(sock, protocol) : -NLE_NOMEM;

	if (r == 0 && setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &patience,
			      sizeof(patience)) < 0)
		r = -nl_syserr2nlerr(errno);
	return r;
}

struct nl_msg *rt_link_get(const char *name)
{
	struct nl_msg *m = link_start(RTM_GETLINK, 0, 0, 0);

	return m ? finish(m, nla_put_string(m, IFLA_IFNAME, name)) : NULL;
}

struct nl_msg *rt_link_delete(const char *name)
{
	struct nl_msg *m = link_start(RTM_DELLINK, 0, 0, 0);

	return m ? finish(m, nla_put_string(m, IFLA_IFNAME, name)) : NULL;
}

struct nl_msg *rt_link_group(const char *name, uint32_t group)
{
	struct nl_msg *m = link_start(RTM_SETLINK, 0, 0, 0);
	int r;

	if (!m)
		return NULL;
	r = nla_put_string(m, IFLA_IFNAME, name);
	r |= nla_put_u32(m, IFLA_GROUP, group);
	return finish(m, r);
}

struct nl_msg *rt_group_delete(uint32_t group)
{
	struct nl_msg *m = link_start(RTM_DELLINK, 0, 0, 0);

	return m ? finish(m, nla_put_u32(m, IFLA_GROUP, group)) : NULL;
}

struct nl_msg *rt_links_dump(void)
{
	struct nl_msg *m = link_start(RTM_GETLINK, NLM_F_DUMP, 0, 0);

	return m ? finish(m, nla_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)) : NULL;
}

struct nl_msg *rt_link_up(int ifindex)
{
	return link_start(RTM_NEWLINK, 0, ifindex, IFF_UP);
}

struct nl_msg *rt_link_down(int ifindex)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex, .ifi_change = IFF_UP};

	return start(RTM_NEWLINK, 0, &i, sizeof(i));
}

struct nl_msg *rt_link_rename(int ifindex, const char *name)
{
	struct nl_msg *m = link_start(RTM_NEWLINK, 0, ifindex, 0);

	return m ? finish(m, nla_put_string(m, IFLA_IFNAME, name)) : NULL;
}

struct nl_msg *rt_link_master(int ifindex, int bridge)
{
	struct nl_msg *m = link_start(RTM_NEWLINK, 0, ifindex, 0);

	return m ? finish(m, nla_put_u32(m, IFLA_MASTER, (uint32_t)bridge)) : NULL;
}

struct nl_msg *rt_bridge_add(const struct rt_bridge *b)
{
	struct nl_msg *m = link_start(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
	struct nlattr *info, *data;
	int r;

	if (!m)
		return NULL;
	r = nla_put_string(m, IFLA_IFNAME, b->name);
	/* With an address of its own the bridge keeps it; else it follows its ports', and
	 * neighbours lose it. */
	r |= nla_put(m, IFLA_ADDRESS, 6, b->mac);
	if (b->mtu)
		r |= nla_put_u32(m, IFLA_MTU, b->mtu);
	info = nla_nest_start(m, IFLA_LINKINFO);
	r |= !info || nla_put_string(m, IFLA_INFO_KIND, "bridge");
	data = info ? nla_nest_start(m, IFLA_INFO_DATA) : NULL;
	if (!data)
		return finish(m, 1);
	r |= nla_put_u32(m, IFLA_BR_STP_STATE, 0);
	r |= nla_put_u32(m, IFLA_BR_FORWARD_DELAY, 0);
	/* Multicast goes to all: what containers listen to isn't told, see ruleset.nft. */
	r |= nla_put_u8(m, IFLA_BR_MCAST_SNOOPING, 0);
	nla_nest_end(m, data);
	nla_nest_end(m, info);
	return finish(m, r);
}

struct nl_msg *rt_bridge_up(const struct rt_bridge *b)
{
	struct nl_msg *m = link_start(RTM_NEWLINK, 0, 0, IFF_UP);
	int r;

	if (!m)
		return NULL;
	r = nla_put_string(m, IFLA_IFNAME, b->name);
	r |= nla_put_string(m, IFLA_IFALIAS, b->alias);
	return finish(m, r);
}

static int put_peer(struct nl_msg *m, const struct rt_veth *v)
{
	struct nlattr *peer = nla_nest_start(m, VETH_INFO_PEER);
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC};
	int r;

	if (!peer)
		return -1;
	r = nlmsg_append(m, &i, sizeof(i), NLMSG_ALIGNTO);
	r |= nla_put_string(m, IFLA_IFNAME, v->peer_name);
	if (v->netns >= 0)
		r |= nla_put_u32(m, IFLA_NET_NS_FD, (uint32_t)v->netns);
	if (v->peer_mac)
		r |= nla_put(m, IFLA_ADDRESS, 6, v->peer_mac);
	if (v->mtu)
		r |= nla_put_u32(m, IFLA_MTU, v->mtu);
	nla_nest_end(m, peer);
	return r;
}

struct nl_msg *rt_veth_add(const struct rt_veth *v)
{
	struct nl_msg *m = link_start(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
	struct nlattr *info, *data;
	int r;

	if (!m)
		return NULL;
	r = nla_put_string(m, IFLA_IFNAME, v->name);
	r |= nla_put_u32(m, IFLA_MASTER, (uint32_t)v->bridge);
	if (v->mtu)
		r |= nla_put_u32(m, IFLA_MTU, v->mtu);
	info = nla_nest_start(m, IFLA_LINKINFO);
	r |= !info || nla_put_string(m, IFLA_INFO_KIND, "veth");
	data = info ? nla_nest_start(m, IFLA_INFO_DATA) : NULL;
	if (!data)
		return finish(m, 1);
	r |= put_peer(m, v);
	nla_nest_end(m, data);
	nla_nest_end(m, info);
	return finish(m, r);
}

/* IN6_ADDR_GEN_MODE_NONE: no link-local address, hence no router or address discovery on the host's
 * end. */
static int put_no_ipv6(struct nl_msg *m)
{
	struct nlattr *spec = nla_nest_start(m, IFLA_AF_SPEC), *inet6 = NULL;
	int r;

	if (spec)
		inet6 = nla_nest_start(m, AF_INET6);
	if (!inet6)
		return -1;
	r = nla_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nla_nest_end(m, inet6);
	nla_nest_end(m, spec);
	return r;
}

static struct nl_msg *link_up(int ifindex, unsigned int flags, const char *alias)
{
	struct nl_msg *m = link_start(RTM_NEWLINK, 0, ifindex, flags);
	int r;

	if (!m)
		return NULL;
	r = nla_put_string(m, IFLA_IFALIAS, alias);
	r |= put_no_ipv6(m);
	return finish(m, r);
}

struct nl_msg *rt_veth_up(int ifindex, const char *alias)
{
	return link_up(ifindex, IFF_UP, alias);
}

struct nl_msg *rt_annex_up(int ifindex, const char *alias)
{
	return link_up(ifindex, IFF_UP | IFF_NOARP, alias);
}

static struct nl_msg *port_set(int ifindex, bool hairpin, bool outlet)
{
	const struct {
		int attr;
		uint8_t value;
	} flags[] = {
		{IFLA_BRPORT_MODE, hairpin}, {IFLA_BRPORT_LEARNING, 0},
		{IFLA_BRPORT_UNICAST_FLOOD, outlet},
		{IFLA_BRPORT_LOCKED, !outlet}, /* since 5.18; older kernels pass over it */
	};
	struct ifinfomsg i = {.ifi_family = AF_BRIDGE, .ifi_index = ifindex};
	struct nl_msg *m = start(RTM_SETLINK, 0, &i, sizeof(i));
	struct nlattr *port;
	int r = 0;

	if (!m)
		return NULL;
	/* The nested flag selects the form with attributes; the kernel takes a bare byte for a
	 * state. */
	port = nla_nest_start(m, IFLA_PROTINFO | NLA_F_NESTED);
	if (!port)
		return finish(m, 1);
	for (unsigned int k = 0; k < ARRAY_LEN(flags); k++)
		r |= nla_put_u8(m, flags[k].attr, flags[k].value);
	nla_nest_end(m, port);
	return finish(m, r);
}

struct nl_msg *rt_port_set(int ifindex, bool hairpin)
{
	return port_set(ifindex, hairpin, false);
}

struct nl_msg *rt_port_outlet(int ifindex)
{
	return port_set(ifindex, false, true);
}

static struct nl_msg *owner(int type, int flags, int ifindex, const uint8_t mac[6])
{
	/* "static" in bridge(8)'s words: neither ages nor moves to another port. */
	struct ndmsg n = {.ndm_family = AF_BRIDGE,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER};
	struct nl_msg *m = start(type, flags, &n, sizeof(n));

	return m ? finish(m, nla_put(m, NDA_LLADDR, 6, mac)) : NULL;
}

struct nl_msg *rt_port_owner(int ifindex, const uint8_t mac[6])
{
	return owner(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, mac);
}

struct nl_msg *rt_port_disown(int ifindex, const uint8_t mac[6])
{
	return owner(RTM_DELNEIGH, 0, ifindex, mac);
}

static struct nl_msg *addr_start(int type, int flags, int ifindex, int family, unsigned int len)
{
	struct ifaddrmsg a = {.ifa_family = (uint8_t)family,
		.ifa_prefixlen = (uint8_t)len,
		.ifa_index = (uint32_t)ifindex,
		.ifa_scope = RT_SCOPE_UNIVERSE};

	if (family == AF_INET6)
		a.ifa_flags = IFA_F_NODAD;
	return start(type, flags, &a, sizeof(a));
}

struct nl_msg *rt_addrs_dump(void)
{
	struct ifaddrmsg a = {.ifa_family = AF_UNSPEC};

	return start(RTM_GETADDR, NLM_F_DUMP, &a, sizeof(a));
}

struct nl_msg *rt_addr4_add(int ifindex, uint32_t ip, unsigned int len)
{
	struct nl_msg *m =
		addr_start(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, AF_INET, len);
	int r;

	if (!m)
		return NULL;
	r = nla_put_u32(m, IFA_LOCAL, htonl(ip));
	r |= nla_put_u32(m, IFA_ADDRESS, htonl(ip));
	r |= nla_put_u32(m, IFA_BROADCAST, htonl(cidr4_last(cidr4_around(ip, len))));
	return finish(m, r);
}

struct nl_msg *rt_addr6_add(int ifindex, const struct in6_addr *ip, unsigned int len)
{
	struct nl_msg *m =
		addr_start(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, AF_INET6, len);

	return m ? finish(m, nla_put(m, IFA_ADDRESS, sizeof(*ip), ip)) : NULL;
}

struct nl_msg *rt_addr4_delete(int ifindex, uint32_t ip, unsigned int len)
{
	struct nl_msg *m = addr_start(RTM_DELADDR, 0, ifindex, AF_INET, len);

	return m ? finish(m, nla_put_u32(m, IFA_LOCAL, htonl(ip))) : NULL;
}

struct nl_msg *rt_addr6_delete(int ifindex, const struct in6_addr *ip, unsigned int len)
{
	struct nl_msg *m = addr_start(RTM_DELADDR, 0, ifindex, AF_INET6, len);

	return m ? finish(m, nla_put(m, IFA_ADDRESS, sizeof(*ip), ip)) : NULL;
}

static struct nl_msg *route_start(int family, int ifindex)
{
	struct rtmsg rt = {.rtm_family = (uint8_t)family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST};
	struct nl_msg *m = start(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &rt, sizeof(rt));

	return m ? finish(m, nla_put_u32(m, RTA_OIF, (uint32_t)ifindex)) : NULL;
}

struct nl_msg *rt_default4_add(int ifindex, uint32_t gateway)
{
	struct nl_msg *m = route_start(AF_INET, ifindex);

	return m ? finish(m, nla_put_u32(m, RTA_GATEWAY, htonl(gateway))) : NULL;
}

struct nl_msg *rt_default6_add(int ifindex, const struct in6_addr *gateway)
{
	struct nl_msg *m = route_start(AF_INET6, ifindex);

	return m ? finish(m, nla_put(m, RTA_GATEWAY, sizeof(*gateway), gateway)) : NULL;
}
