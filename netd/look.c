/* SPDX-License-Identifier: MIT */
/*
 * Dumps of links and addresses. Runs in netd; what the kernel says is believed.
 */
#include "look.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>

#include "rt.h"

#define TRIES	    8	  /* while links come and go, a dump may be torn */
#define BUFFER_SIZE 32768 /* the kernel's largest piece of a dump */

/* Room for one more, zeroed. */
static void *grow(struct look *l, void **v, size_t *n, size_t *room, size_t size)
{
	if (*n == *room) {
		size_t more = *room ? *room * 2 : 64;
		void *bigger = reallocarray(*v, more, size);

		if (!bigger) {
			l->no_memory = true;
			return NULL;
		}
		*v = bigger;
		*room = more;
	}
	return memset((char *)*v + size * (*n)++, 0, size);
}

static int on_link(struct nl_msg *msg, void *arg)
{
	struct look *l = arg;
	struct look_link *to;
	struct in6_addr ip6;
	struct rt_link one;
	uint8_t mac[6];
	uint32_t ip4;

	if (!rt_link_read(nlmsg_hdr(msg), &one))
		return NL_OK;
	to = grow(l, (void **)&l->links, &l->n_links, &l->room_links, sizeof(*to));
	if (!to)
		return NL_OK;
	to->l = one;
	if (!names_parse_link_alias(l->engine, one.alias, to->container, &ip4, &ip6, mac))
		to->container[0] = '\0';
	return NL_OK;
}

static int on_addr(struct nl_msg *msg, void *arg)
{
	struct look *l = arg;
	struct rt_addr one, *to;

	if (!rt_addr_read(nlmsg_hdr(msg), &one))
		return NL_OK;
	to = grow(l, (void **)&l->addrs, &l->n_addrs, &l->room_addrs, sizeof(*to));
	if (to)
		*to = one;
	return NL_OK;
}

/* Takes the request over. */
static int dump(struct nl_sock *sock, struct nl_msg *m, int (*fn)(struct nl_msg *msg, void *arg),
	struct look *l)
{
	int r = m ? nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, fn, l) : -NLE_NOMEM;

	if (r == 0)
		r = nl_send_auto(sock, m);
	nlmsg_free(m);
	return r < 0 ? r : nl_recvmsgs_default(sock);
}

static int dump_both(struct nl_sock *sock, struct look *l)
{
	int r;

	l->n_links = l->n_addrs = 0;
	r = dump(sock, rt_links_dump(), on_link, l);
	if (r >= 0)
		r = dump(sock, rt_addrs_dump(), on_addr, l);
	return r < 0 ? r : l->no_memory ? -NLE_NOMEM : 0;
}

static int by_name(const void *a, const void *b)
{
	const struct look_link *x = a, *y = b;

	return strcmp(x->l.name, y->l.name);
}

int look_read(const char *engine, struct look *ret, struct err *e)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct look l = {.engine = engine};
	int r = rt_connect(sock, NETLINK_ROUTE);

	if (r == 0)
		r = nl_socket_set_msg_buf_size(sock, BUFFER_SIZE);
	if (r == 0)
		r = -NLE_DUMP_INTR;
	for (int i = 0; i < TRIES && r == -NLE_DUMP_INTR; i++)
		r = dump_both(sock, &l);
	nl_socket_free(sock);
	if (r < 0) {
		look_free(&l);
		return err_set(e, r == -NLE_DUMP_INTR ? EAGAIN : EIO,
			"reading the host's links: %s", nl_geterror(r));
	}
	if (l.n_links)
		qsort(l.links, l.n_links, sizeof(*l.links), by_name);
	*ret = l;
	return 0;
}

void look_free(struct look *l)
{
	free(l->links);
	free(l->addrs);
	*l = (struct look){0};
}

struct look_link *look_named(const struct look *l, const char *name)
{
	struct look_link key = {0};

	strncpy(key.l.name, name, sizeof(key.l.name) - 1);
	return l->n_links ? bsearch(&key, l->links, l->n_links, sizeof(*l->links), by_name) : NULL;
}

struct look_link *look_of(const struct look *l, const char *container)
{
	for (size_t i = 0; i < l->n_links; i++)
		if (!l->links[i].known && l->links[i].l.veth &&
			strcmp(l->links[i].container, container) == 0)
			return &l->links[i];
	return NULL;
}

bool look_has4(const struct look *l, int ifindex, uint32_t ip, unsigned int len)
{
	for (size_t i = 0; i < l->n_addrs; i++) {
		const struct rt_addr *a = &l->addrs[i];

		if (!a->six && a->ifindex == ifindex && a->ip4 == ip && a->len == len)
			return true;
	}
	return false;
}

bool look_has6(const struct look *l, int ifindex, const struct in6_addr *ip, unsigned int len)
{
	for (size_t i = 0; i < l->n_addrs; i++) {
		const struct rt_addr *a = &l->addrs[i];

		if (a->six && a->ifindex == ifindex && memcmp(&a->ip6, ip, sizeof(*ip)) == 0 &&
			a->len == len)
			return true;
	}
	return false;
}
