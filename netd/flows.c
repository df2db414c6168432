/* SPDX-License-Identifier: MIT */
/*
 * Deleting entries of the host's connection table, by ctnetlink. Runs in netd; what the kernel says
 * is believed.
 *
 * A filter deletes since Linux 6.12 (1ef7f50ccc6e) only, but lists since 5.8: what it lists is
 * deleted one by one.
 */
#include "flows.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "rt.h"

/* Which parts of a tuple count: bits of net/netfilter/nf_internals.h. */
#define FILTER_IP_SRC	 (1U << 0)
#define FILTER_PROTO_NUM (1U << 3)

#define TUPLE_MAX  128 /* of an IPv6 flow it is 76 */
#define ROUNDS_MAX 3   /* a list of a table that changes may lack some */

/* What names one flow to the kernel. */
struct flow {
	uint32_t id; /* as it came */
	uint16_t len;
	char tuple[TUPLE_MAX]; /* the attribute of the original direction, without its head */
};

struct flows {
	struct flow *v;
	size_t n, room;
	bool no_memory;
};

static struct nl_msg *message(int type, int flags, int family)
{
	struct nfgenmsg g = {.nfgen_family = (uint8_t)family};
	struct nl_msg *m = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags);

	if (m && nlmsg_append(m, &g, sizeof(g), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
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

static struct nl_msg *list(int family, const void *ip)
{
	struct nl_msg *m = message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
	struct nlattr *filter;
	int r;

	if (!m)
		return NULL;
	r = put_tuple(m, family, ip);
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

static struct nl_msg *deletion(int family, const struct flow *f)
{
	struct nl_msg *m = message(IPCTNL_MSG_CT_DELETE, 0, family);

	if (m && (nla_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, f->len, f->tuple) < 0 ||
			 nla_put_u32(m, CTA_ID, f->id) < 0)) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

static int on_flow(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlattr *tuple = nlmsg_find_attr(h, sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
	struct nlattr *id = nlmsg_find_attr(h, sizeof(struct nfgenmsg), CTA_ID);
	struct flows *all = arg;
	struct flow *f;

	if (!tuple || !id || nla_len(tuple) > TUPLE_MAX)
		return NL_OK;
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 64;
		struct flow *v = reallocarray(all->v, room, sizeof(*v));

		all->no_memory |= !v;
		if (!v)
			return NL_OK;
		all->v = v;
		all->room = room;
	}
	f = &all->v[all->n++];
	f->id = nla_get_u32(id);
	f->len = (uint16_t)nla_len(tuple);
	memcpy(f->tuple, nla_data(tuple), f->len);
	return NL_OK;
}

/* Takes the message over. */
static int ask(struct nl_sock *sock, struct nl_msg *m)
{
	int r = m ? nl_send_auto(sock, m) : -NLE_NOMEM;

	nlmsg_free(m);
	return r < 0 ? r : nl_recvmsgs_default(sock);
}

/* Sets *ret_n to how many there were. */
static int forget_some(
	struct nl_sock *sock, int family, const void *ip, struct flows *all, size_t *ret_n)
{
	int r;

	all->n = 0;
	r = ask(sock, list(family, ip));
	*ret_n = all->n;
	for (size_t i = 0; i < all->n && r >= 0; i++) {
		struct nl_msg *m = deletion(family, &all->v[i]);

		r = m ? nl_send_sync(sock, m) : -NLE_NOMEM;
		if (r == -NLE_OBJ_NOTFOUND) /* it ended by itself */
			r = 0;
	}
	return r < 0 ? r : all->no_memory ? -NLE_NOMEM : 0;
}

static int forget(struct nl_sock *sock, int family, const void *ip)
{
	struct flows all = {0};
	size_t n = 1;
	int r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_flow, &all);

	for (int i = 0; i < ROUNDS_MAX && n > 0 && r >= 0; i++)
		r = forget_some(sock, family, ip, &all, &n);
	free(all.v);
	return r;
}

int flows_forget_udp(uint32_t ip4, const struct in6_addr *ip6, struct err *e)
{
	struct nl_sock *sock = nl_socket_alloc();
	uint32_t wire4 = htonl(ip4);
	int r = rt_connect(sock, NETLINK_NETFILTER);

	if (r == 0)
		r = forget(sock, AF_INET, &wire4);
	if (r >= 0)
		r = forget(sock, AF_INET6, ip6);
	nl_socket_free(sock);
	return r < 0 ? err_set(e, EIO, "forgetting UDP flows: %s", nl_geterror(r)) : 0;
}
