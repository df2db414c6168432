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
#include <linux/netfilter/nf_conntrack_common.h>
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

#include "base/fd.h"
#include "batch.h"
#include "rt.h"

/* Which parts of a tuple count: bits of net/netfilter/nf_internals.h. */
#define FILTER_IP_SRC	 (1U << 0)
#define FILTER_PROTO_NUM (1U << 3)

#define TUPLE_MAX  128 /* of an IPv6 flow it is 76 */
#define ROUNDS_MAX 3   /* a list of a table that changes may lack some */

/* What its answers come from; or to which ports of the host's it is sent, and not redirected. */
struct wanted {
	int family;
	const void *from; /* an address in network byte order, or NULL: */
	const struct published *to;
};

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
	const struct wanted *w;
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

static int put_tuple(struct nl_msg *m, const struct wanted *w)
{
	struct nlattr *tuple, *part;
	int r = 0;

	tuple = nla_nest_start(m, (w->from ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG) | NLA_F_NESTED);
	part = tuple && w->from ? nla_nest_start(m, CTA_TUPLE_IP | NLA_F_NESTED) : NULL;
	if (part) {
		r = w->family == AF_INET ? nla_put(m, CTA_IP_V4_SRC, 4, w->from)
					 : nla_put(m, CTA_IP_V6_SRC, 16, w->from);
		nla_nest_end(m, part);
	}
	part = tuple ? nla_nest_start(m, CTA_TUPLE_PROTO | NLA_F_NESTED) : NULL;
	if (!part)
		return -1;
	r |= nla_put_u8(m, CTA_PROTO_NUM, IPPROTO_UDP);
	nla_nest_end(m, part);
	nla_nest_end(m, tuple);
	return r;
}

static int put_filter(struct nl_msg *m, const struct wanted *w)
{
	struct nlattr *filter = nla_nest_start(m, CTA_FILTER | NLA_F_NESTED);
	int r;

	if (!filter)
		return -1;
	r = nla_put_u32(m, CTA_FILTER_ORIG_FLAGS, w->from ? 0 : FILTER_PROTO_NUM);
	r |= nla_put_u32(m, CTA_FILTER_REPLY_FLAGS, w->from ? FILTER_IP_SRC | FILTER_PROTO_NUM : 0);
	nla_nest_end(m, filter);
	return r;
}

static struct nl_msg *list(const struct wanted *w)
{
	struct nl_msg *m = message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, w->family);

	if (m && (put_tuple(m, w) < 0 || put_filter(m, w) < 0)) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
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

/* Where a flow is sent. */
struct target {
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} ip;
	uint16_t port;
};

static bool get_target(int family, struct nlattr *tuple, struct target *ret)
{
	int type = family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST;
	int size = family == AF_INET ? sizeof(ret->ip.v4) : sizeof(ret->ip.v6);
	struct nlattr *ip = nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_IP);
	struct nlattr *port = nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_PROTO);

	ip = ip ? nla_find(nla_data(ip), nla_len(ip), type) : NULL;
	port = port ? nla_find(nla_data(port), nla_len(port), CTA_PROTO_DST_PORT) : NULL;
	if (!ip || nla_len(ip) != size || !port)
		return false;
	memcpy(&ret->ip, nla_data(ip), (size_t)size);
	ret->port = ntohs(nla_get_u16(port));
	return true;
}

/* One of the host's addresses: one can bind there. */
static bool is_local(int family, const struct target *t)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr = t->ip.v4};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = t->ip.v6};
	_cleanup_fd_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	       bind(fd, family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		       family == AF_INET ? sizeof(a4) : sizeof(a6)) == 0;
}

static bool meets(const struct published *p, int family, const struct target *t)
{
	if (!p->udp || p->family != family || p->host_port != t->port)
		return false;
	if (p->any)
		return is_local(family, t);
	return family == AF_INET ? p->host4 == ntohl(t->ip.v4.s_addr)
				 : memcmp(&p->host6, &t->ip.v6, sizeof(p->host6)) == 0;
}

/* One that is redirected already goes to a container; one to elsewhere only has the same number. */
static bool is_stale(const struct wanted *w, struct nlmsghdr *h, struct nlattr *tuple)
{
	struct nlattr *status = nlmsg_find_attr(h, sizeof(struct nfgenmsg), CTA_STATUS);
	struct target t;

	if (!status || ntohl(nla_get_u32(status)) & IPS_DST_NAT ||
		!get_target(w->family, tuple, &t))
		return false;
	for (const struct published *p = w->to; p; p = p->next)
		if (meets(p, w->family, &t))
			return true;
	return false;
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
	if (!all->w->from && !is_stale(all->w, h, tuple))
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

static int read_list(const struct wanted *w, struct flows *ret, struct err *e)
{
	struct nl_sock *sock = nl_socket_alloc();
	int r = rt_connect(sock, NETLINK_NETFILTER);

	ret->n = 0;
	if (r == 0)
		r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_flow, ret);
	if (r == 0)
		r = ask(sock, list(w));
	nl_socket_free(sock);
	if (r >= 0 && ret->no_memory)
		r = -NLE_NOMEM;
	return r < 0 ? err_set(e, EIO, "reading UDP flows: %s", nl_geterror(r)) : 0;
}

static int delete_all(int fd, const struct flows *all, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	for (size_t i = 0; i < all->n; i++) {
		batch_add(&b, deletion(all->w->family, &all->v[i]), "forgetting an UDP flow");
		if (b.n < BATCH_MAX && i + 1 < all->n)
			continue;
		if (batch_run(&b, fd, NULL, NULL, e) < 0 && e->code != ENOENT) /* ended by itself */
			return -e->code;
	}
	return 0;
}

static int forget(const struct wanted *w, struct err *e)
{
	_cleanup_fd_ int fd = batch_socket(NETLINK_NETFILTER, e);
	struct flows all = {.w = w, .n = 1};
	int r = fd < 0 ? fd : 0;

	for (int i = 0; i < ROUNDS_MAX && all.n > 0 && r == 0; i++) {
		r = read_list(w, &all, e);
		if (r == 0)
			r = delete_all(fd, &all, e);
	}
	free(all.v);
	return r;
}

int flows_forget_from(uint32_t ip4, const struct in6_addr *ip6, struct err *e)
{
	const uint32_t wire4 = htonl(ip4);
	int r = forget(&(struct wanted){AF_INET, &wire4, NULL}, e);

	return r < 0 ? r : forget(&(struct wanted){AF_INET6, ip6, NULL}, e);
}

/* A list of both families has no filter: EOPNOTSUPP. */
int flows_forget_to(const struct published *rows, struct err *e)
{
	static const int families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(families) && r == 0; i++) {
		const struct published *p = rows;

		while (p && !(p->udp && p->family == families[i]))
			p = p->next;
		if (p)
			r = forget(&(struct wanted){families[i], NULL, p}, e);
	}
	return r;
}
