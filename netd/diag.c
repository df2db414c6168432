/* SPDX-License-Identifier: MIT */
/*
 * Dumps of the host's sockets. Runs in netd; what the kernel says is believed.
 */
#include "diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>

#include "rt.h"

struct search {
	const struct published *want;
	bool found;
};

/* IPv4 addresses of IPv6 sockets are mapped ones. */
static bool address_meets(const struct published *p, const struct inet_diag_msg *m, bool v6only)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;
	struct in6_addr src;

	memcpy(&src, m->id.idiag_src, sizeof(src));
	if (m->idiag_family == AF_INET)
		return p->family == AF_INET &&
		       (p->any || !m->id.idiag_src[0] || ntohl(m->id.idiag_src[0]) == p->host4);
	if (memcmp(&src, &any6, sizeof(src)) == 0)
		return p->family == AF_INET6 || !v6only;
	if (IN6_IS_ADDR_V4MAPPED(&src))
		return p->family == AF_INET && (p->any || ntohl(m->id.idiag_src[3]) == p->host4);
	return p->family == AF_INET6 && (p->any || memcmp(&src, &p->host6, sizeof(src)) == 0);
}

static int on_socket(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct inet_diag_msg *m = nlmsg_data(h);
	struct search *s = arg;
	struct nlattr *only;

	if (nlmsg_datalen(h) < (int)sizeof(*m) || ntohs(m->id.idiag_sport) != s->want->host_port)
		return NL_OK;
	only = nlmsg_find_attr(h, sizeof(*m), INET_DIAG_SKV6ONLY);
	s->found |= address_meets(s->want, m, only && nla_get_u8(only));
	return NL_OK;
}

static int dump(struct nl_sock *sock, int family, bool udp)
{
	struct inet_diag_req_v2 req = {.sdiag_family = (uint8_t)family,
		.sdiag_protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
		.idiag_states = udp ? UINT32_MAX : 1U << TCP_LISTEN};
	int r = nl_send_simple(sock, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));

	return r < 0 ? r : nl_recvmsgs_default(sock);
}

int diag_port_used(const struct published *p, bool *ret, struct err *e)
{
	struct search s = {.want = p};
	struct nl_sock *sock = nl_socket_alloc();
	int r = rt_connect(sock, NETLINK_SOCK_DIAG);

	if (r == 0)
		r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_socket, &s);
	if (r == 0)
		r = dump(sock, AF_INET6, p->udp);
	if (r >= 0)
		r = dump(sock, AF_INET, p->udp);
	nl_socket_free(sock);
	if (r < 0)
		return err_set(e, EIO, "reading the host's sockets: %s", nl_geterror(r));
	*ret = s.found;
	return 0;
}
