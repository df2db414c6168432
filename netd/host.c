/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of the host's network, by libnl's caches. Runs in netd. What the kernel says is
 * believed.
 */
#include "host.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <string.h>

#include "rt.h"

int host_read(struct host *ret, struct err *e)
{
	struct host h = {.sock = nl_socket_alloc()};
	int r = rt_connect(h.sock, NETLINK_ROUTE);

	if (r == 0)
		r = rtnl_link_alloc_cache(h.sock, AF_UNSPEC, &h.links);
	if (r == 0)
		r = rtnl_addr_alloc_cache(h.sock, &h.addrs);
	if (r == 0)
		r = rtnl_route_alloc_cache(h.sock, AF_UNSPEC, 0, &h.routes);
	if (r < 0) {
		host_free(&h);
		return err_set(e, EIO, "reading the host's links and routes: %s", nl_geterror(r));
	}
	*ret = h;
	return 0;
}

void host_free(struct host *h)
{
	nl_cache_free(h->routes);
	nl_cache_free(h->addrs);
	nl_cache_free(h->links);
	nl_socket_free(h->sock);
	*h = (struct host){0};
}

struct rtnl_link *host_link(const struct host *h, const char *name)
{
	struct nl_object *o = nl_cache_get_first(h->links);

	for (; o; o = nl_cache_get_next(o)) {
		struct rtnl_link *l = (struct rtnl_link *)o;

		if (strcmp(rtnl_link_get_name(l), name) == 0)
			return l;
	}
	return NULL;
}

void host_each_port(
	const struct host *h, int bridge, void (*fn)(void *, struct rtnl_link *), void *arg)
{
	struct nl_object *o = nl_cache_get_first(h->links);

	for (; o; o = nl_cache_get_next(o)) {
		struct rtnl_link *l = (struct rtnl_link *)o;

		if (rtnl_link_get_master(l) == bridge)
			fn(arg, l);
	}
}

bool host_has_bridge(const struct host *h)
{
	for (struct nl_object *o = nl_cache_get_first(h->links); o; o = nl_cache_get_next(o)) {
		const char *type = rtnl_link_get_type((struct rtnl_link *)o);

		if (type && strcmp(type, "bridge") == 0)
			return true;
	}
	return false;
}

static const char *link_name(const struct host *h, int ifindex, char buf[IFNAMSIZ])
{
	return rtnl_link_i2name(h->links, ifindex, buf, IFNAMSIZ) ? buf : "?";
}

static int route_ifindex(struct rtnl_route *r)
{
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, 0);

	return nh ? rtnl_route_nh_get_ifindex(nh) : 0;
}

/* Does this address overlap the wanted subnet? want4 or want6 is NULL. text gets its form. */
static bool overlaps(
	struct nl_addr *a, const struct cidr4 *want4, const struct cidr6 *want6, char *text)
{
	unsigned int len = nl_addr_get_prefixlen(a);

	if (want4 && nl_addr_get_family(a) == AF_INET && nl_addr_get_len(a) == 4) {
		const uint8_t *b = nl_addr_get_binary_addr(a);
		uint32_t ip =
			(uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

		cidr4_format((struct cidr4){ip, len}, text);
		return cidr4_overlaps(cidr4_around(ip, len), *want4);
	}
	if (want6 && nl_addr_get_family(a) == AF_INET6 && nl_addr_get_len(a) == 16) {
		struct cidr6 c = {.len = len};

		memcpy(&c.base, nl_addr_get_binary_addr(a), sizeof(c.base));
		cidr6_format(&c, text);
		c = cidr6_around(&c.base, len);
		return cidr6_overlaps(&c, want6);
	}
	return false;
}

static int check(const struct host *h, int own, const struct cidr4 *want4,
	const struct cidr6 *want6, const char *subnet, struct err *e)
{
	char text[CIDR_TEXT_MAX], dev[IFNAMSIZ];

	for (struct nl_object *o = nl_cache_get_first(h->addrs); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;
		int ifindex = rtnl_addr_get_ifindex(a);

		if (ifindex != own && overlaps(rtnl_addr_get_local(a), want4, want6, text))
			return err_set(e, EADDRINUSE, "subnet %s overlaps address %s dev %s",
				subnet, text, link_name(h, ifindex, dev));
	}
	for (struct nl_object *o = nl_cache_get_first(h->routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *r = (struct rtnl_route *)o;
		struct nl_addr *dst = rtnl_route_get_dst(r);
		int ifindex = route_ifindex(r);

		if (ifindex == own && own)
			continue;
		if (dst && nl_addr_get_prefixlen(dst) > 1 && overlaps(dst, want4, want6, text))
			return err_set(e, EADDRINUSE, "subnet %s overlaps route %s dev %s", subnet,
				text, link_name(h, ifindex, dev));
	}
	return 0;
}

int host_free4(const struct host *h, int own, struct cidr4 want, struct err *e)
{
	char text[CIDR_TEXT_MAX];

	return check(h, own, &want, NULL, cidr4_format(want, text), e);
}

int host_free6(const struct host *h, int own, const struct cidr6 *want, struct err *e)
{
	char text[CIDR_TEXT_MAX];

	return check(h, own, NULL, want, cidr6_format(want, text), e);
}

/* near: 4 or 16 bytes as the kernel has them, or NULL. */
static bool first_addr(const struct host *h, int ifindex, int family, const void *near, void *ret,
	unsigned int *ret_len)
{
	static const struct cidr6 link_local = {.base = {.s6_addr = {0xfe, 0x80}}, .len = 10};
	struct nl_addr *want =
		near ? nl_addr_build(family, near, family == AF_INET ? 4 : 16) : NULL;
	bool found = false;

	for (struct nl_object *o = nl_cache_get_first(h->addrs); o && !found;
		o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;
		struct nl_addr *local = rtnl_addr_get_local(a);

		if (rtnl_addr_get_ifindex(a) != ifindex || nl_addr_get_family(local) != family)
			continue;
		if (family == AF_INET6 &&
			cidr6_contains(&link_local, nl_addr_get_binary_addr(local)))
			continue;
		if (want && nl_addr_cmp_prefix(local, want) != 0)
			continue;
		memcpy(ret, nl_addr_get_binary_addr(local), family == AF_INET ? 4 : 16);
		*ret_len = nl_addr_get_prefixlen(local);
		found = true;
	}
	nl_addr_put(want);
	return found;
}

bool host_addr4(
	const struct host *h, int ifindex, uint32_t near, uint32_t *ret, unsigned int *ret_len)
{
	struct in_addr in, wire = {htonl(near)};

	if (!first_addr(h, ifindex, AF_INET, near ? &wire : NULL, &in, ret_len))
		return false;
	*ret = ntohl(in.s_addr);
	return true;
}

bool host_addr6(const struct host *h, int ifindex, const struct in6_addr *near,
	struct in6_addr *ret, unsigned int *ret_len)
{
	return first_addr(h, ifindex, AF_INET6, near, ret, ret_len);
}
