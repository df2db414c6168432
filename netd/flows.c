/* SPDX-License-Identifier: MIT */
/*
 * Deleting entries of the host's connection table, by ctnetlink. Runs in netd.
 */
#include "flows.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <sys/socket.h>

#include "batch.h"

/* Which parts of a tuple count: bits of net/netfilter/nf_internals.h, since 5.8. */
#define FILTER_IP_SRC	 (1U << 0)
#define FILTER_PROTO_NUM (1U << 3)

int flows_socket(struct err *e)
{
	return batch_socket(NETLINK_NETFILTER, e);
}

static int put_tuple(struct nl_msg *m, int family, const void *ip)
{
	struct nlattr *tuple, *part;
	int r;

	tuple = nla_nest_start(m, CTA_TUPLE_REPLY | NLA_F_NESTED);
	part = tuple ? nla_nest_start(m, CTA_TUPLE_IP | NLA_F_NESTED) : NULL;
	if (!part)
		return -1;
	r = family == AF_INET ? nla_put(m, CTA_IP_V4_SRC, 4, ip)
			      : nla_put(m, CTA_IP_V6_SRC, 16, ip);
	nla_nest_end(m, part);
	part = nla_nest_start(m, CTA_TUPLE_PROTO | NLA_F_NESTED);
	if (!part)
		return -1;
	r |= nla_put_u8(m, CTA_PROTO_NUM, IPPROTO_UDP);
	nla_nest_end(m, part);
	nla_nest_end(m, tuple);
	return r;
}

static struct nl_msg *forget(int family, const void *ip)
{
	/* The kernel looks at the family only when the version isn't 0 (ctnetlink_del_conntrack).
	 */
	struct nfgenmsg g = {.nfgen_family = (uint8_t)family, .version = 1};
	struct nl_msg *m = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0);
	struct nlattr *filter;
	int r;

	if (!m)
		return NULL;
	r = nlmsg_append(m, &g, sizeof(g), NLMSG_ALIGNTO) | put_tuple(m, family, ip);
	filter = nla_nest_start(m, CTA_FILTER | NLA_F_NESTED);
	if (filter) {
		r |= nla_put_u32(m, CTA_FILTER_ORIG_FLAGS, 0);
		r |= nla_put_u32(m, CTA_FILTER_REPLY_FLAGS, FILTER_IP_SRC | FILTER_PROTO_NUM);
		nla_nest_end(m, filter);
	}
	if (r == 0 && filter)
		return m;
	nlmsg_free(m);
	return NULL;
}

int flows_forget_udp(int fd, uint32_t ip4, const struct in6_addr *ip6, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};
	uint32_t wire4 = htonl(ip4);

	batch_add(&b, forget(AF_INET, &wire4), "IPv4 flows");
	batch_add(&b, forget(AF_INET6, ip6), "IPv6 flows");
	return batch_run(&b, fd, NULL, NULL, e);
}
