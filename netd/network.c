/* SPDX-License-Identifier: MIT */
/*
 * Bridges and who is on them. Runs in netd.
 */
#include "network.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "annex.h"
#include "base/log.h"
#include "batch.h"
#include "bridge.h"
#include "discard.h"
#include "rt.h"
#include "subnet.h"

#define CHOICES 20 /* of a subnet, where others choose at the same time */

struct in6_addr network_gateway6(const struct network *n)
{
	return cidr6_nth(&n->net6, 1);
}

void network_free(struct network *n)
{
	if (!n)
		return;
	while (n->members) {
		struct member *m = n->members;

		n->members = m->next;
		free(m);
	}
	while (n->annexes)
		annex_free(n, n->annexes);
	pool_free(n->pool);
	free(n);
}

int network_bridge(const struct network *n, const struct member *m)
{
	return m->annex ? m->annex->ifindex : n->ifindex;
}

struct member *network_member(const struct network *n, const char *id)
{
	for (struct member *m = n->members; m; m = m->next)
		if (strcmp(m->id, id) == 0)
			return m;
	return NULL;
}

/* Who is on a bridge that was found. */
struct crowd {
	const struct network *network;
	const char *engine;
	unsigned int n;
	uint32_t ip4; /* of one of the containers; 0 and :: when there is none */
	struct in6_addr ip6;
};

static void count(void *arg, struct rtnl_link *l)
{
	char id[NAMES_ID_MAX + 1];
	struct crowd *c = arg;
	struct in6_addr ip6;
	uint8_t mac[6];
	uint32_t ip4;

	if (annex_has(c->network, rtnl_link_get_ifindex(l)))
		return;
	c->n++;
	if (c->ip4 ||
		!names_parse_link_alias(c->engine, rtnl_link_get_ifalias(l), id, &ip4, &ip6, mac))
		return;
	c->ip4 = ip4;
	c->ip6 = ip6;
}

/* Ours by its alias; or without one by the address that it was made with: then a run ended in
 * between. */
static bool is_ours(struct rtnl_link *l, const char *alias, const uint8_t mac[6])
{
	const char *has = rtnl_link_get_ifalias(l), *type = rtnl_link_get_type(l);
	struct nl_addr *addr = rtnl_link_get_addr(l);

	if (!type || strcmp(type, "bridge") != 0)
		return false;
	if (has && *has)
		return strcmp(has, alias) == 0;
	return addr && nl_addr_get_len(addr) == 6 &&
	       memcmp(nl_addr_get_binary_addr(addr), mac, 6) == 0;
}

static int find_bridge(struct network *n, const char *engine, const struct host *h,
	const char *alias, struct err *e)
{
	struct rtnl_link *l = host_link(h, n->bridge);
	uint8_t mac[6];

	if (!l)
		return 0;
	names_bridge_mac(engine, n->name, mac);
	if (!is_ours(l, alias, mac))
		return err_set(e, EEXIST,
			"link %s exists and is not this engine's: rename or delete it", n->bridge);
	n->ifindex = rtnl_link_get_ifindex(l);
	return 0;
}

/* Of a bridge that nobody is on: what an earlier run gave it. Where the wanted address is there,
 * any other is somebody else's. */
static int drop_addresses(const struct network *n, const struct host *h, int rtnl, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};
	struct in6_addr ip6, gw6 = network_gateway6(n);
	uint32_t ip4, gw4 = pool_gateway(n->pool);
	unsigned int len;

	if (host_addr4(h, n->ifindex, 0, &ip4, &len) &&
		!(host_addr4(h, n->ifindex, gw4, &ip4, &len) && ip4 == gw4 && len == n->net4.len))
		batch_add(&b, rt_addr4_delete(n->ifindex, ip4, len), "old address");
	if (host_addr6(h, n->ifindex, NULL, &ip6, &len) &&
		!(host_addr6(h, n->ifindex, &gw6, &ip6, &len) && memcmp(&ip6, &gw6, 16) == 0 &&
			len == n->net6.len))
		batch_add(&b, rt_addr6_delete(n->ifindex, &ip6, len), "old address");
	if (batch_run(&b, rtnl, NULL, NULL, e) < 0)
		return err_prefix(e, "bridge %s", n->bridge);
	return 0;
}

/* Member of that bridge, from now on. */
static void put(struct network *n, struct member *m, struct annex *a)
{
	m->annex = a;
	m->next = n->members;
	n->members = m;
	if (a)
		a->members++;
	else
		n->own++;
}

struct adoption {
	struct network *n;
	struct annex *annex;
	const char *engine;
};

static void adopt(void *arg, struct rtnl_link *l)
{
	struct adoption *a = arg;
	struct member *m = annex_has(a->n, rtnl_link_get_ifindex(l)) ? NULL : calloc(1, sizeof(*m));
	struct err e = {0};

	if (!m)
		return;
	if (!names_parse_link_alias(
		    a->engine, rtnl_link_get_ifalias(l), m->id, &m->ip4, &m->ip6, m->mac)) {
		log_warn(
			"link %s: on bridge %s, but not ours", rtnl_link_get_name(l), a->n->bridge);
		free(m);
		return;
	}
	if (pool_claim(a->n->pool, m->ip4, &e) < 0) {
		log_warn("link %s: %s", rtnl_link_get_name(l), e.text);
		free(m);
		return;
	}
	snprintf(m->link, sizeof(m->link), "%s", rtnl_link_get_name(l));
	m->ifindex = rtnl_link_get_ifindex(l);
	put(a->n, m, a->annex);
	log_info("container %s: found on link %s", m->id, m->link);
}

static int choose(struct network *n, const struct host *h, const struct crowd *c,
	const struct network_want *want, struct err *e)
{
	const struct subnet_now now = {
		.ifindex = n->ifindex, .in_use = c->n > 0, .ip4 = c->ip4, .ip6 = c->ip6};
	int r = subnet_choose4(h, &now, want->subnet4, &n->net4, e);

	if (r == 0 && n->has6)
		r = subnet_choose6(h, &now, want->subnet6, &n->net6, e);
	return r < 0 ? r : pool_new(n->net4, &n->pool, e);
}

static void each_port(const struct network *n, const struct host *h,
	void (*fn)(void *, struct rtnl_link *), void *arg)
{
	host_each_port(h, n->ifindex, fn, arg);
	for (const struct annex *a = n->annexes; a; a = a->next)
		host_each_port(h, a->ifindex, fn, arg);
}

/* Another engine that chose at the same time saw as little of this one: who finds the other one
 * there, with both addresses in place, gives way, or both do. */
static int alone(const struct network *n, struct err *e)
{
	_cleanup_host_ struct host h = {0};
	int r = host_read(&h, e);

	return r < 0 ? r : host_free4(&h, n->ifindex, n->net4, e);
}

static int ensure(struct network *n, const char *engine, const struct network_want *want, int rtnl,
	struct err *e)
{
	_cleanup_host_ struct host h = {0};
	struct adoption a = {n, NULL, engine};
	struct crowd c = {.network = n, .engine = engine};
	char alias[NAMES_ALIAS_MAX];
	int r;

	names_bridge_alias(engine, n->name, alias);
	r = host_read(&h, e);
	if (r == 0)
		r = find_bridge(n, engine, &h, alias, e);
	if (r == 0)
		r = annex_adopt(n, engine, &h, e);
	if (r == 0 && n->ifindex)
		each_port(n, &h, count, &c);
	if (r == 0)
		r = choose(n, &h, &c, want, e);
	if (r < 0)
		return r;
	n->made = !n->ifindex;
	if (n->made)
		r = bridge_make(n, engine, rtnl, e);
	else if (!c.n)
		r = drop_addresses(n, &h, rtnl, e);
	if (r == 0)
		r = bridge_settle(n, engine, rtnl, e);
	if (r == 0 && n->made && !want->subnet4)
		r = alone(n, e);
	if (r < 0) {
		network_undo(n, rtnl);
		return r;
	}
	host_each_port(&h, n->ifindex, adopt, &a);
	for (a.annex = n->annexes; a.annex; a.annex = a.annex->next)
		host_each_port(&h, a.annex->ifindex, adopt, &a);
	return 0;
}

static int try(const char *engine, const char *name, const struct network_want *want, int rtnl,
	struct network **ret, struct err *e)
{
	struct network *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_errno(e, ENOMEM, "network %s", name);
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->mtu = want->mtu;
	n->has6 = want->has6;
	n->room = want->room;
	names_bridge(engine, name, n->bridge);
	r = ensure(n, engine, want, rtnl, e);
	if (r < 0) {
		network_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

int network_ensure(const char *engine, const char *name, const struct network_want *want, int rtnl,
	struct network **ret, struct err *e)
{
	int r = try(engine, name, want, rtnl, ret, e);

	for (int i = 0; r == -EADDRINUSE && !want->subnet4 && i < CHOICES; i++) {
		uint8_t pause = 0;

		(void)!getrandom(&pause, 1, 0);
		log_info("%s; choosing another one", e->text);
		poll(NULL, 0, pause);
		r = try(engine, name, want, rtnl, ret, e);
	}
	return r;
}

void network_undo(const struct network *n, int rtnl)
{
	struct discard d = {0};

	if (!n->made || !n->ifindex)
		return;
	discard_add(&d, n->bridge, rtnl, NULL);
	discard_run(&d, rtnl, NULL);
}

int network_remove(struct network *n, int rtnl, struct err *e)
{
	struct err first = {0}, one = {0};
	struct discard d = {0};

	for (struct member *m = n->members; m; m = m->next)
		if (discard_add(&d, m->link, rtnl, &one) < 0 && !first.code)
			first = one;
	for (const struct annex *a = n->annexes; a; a = a->next)
		if (annex_discard(a, &d, rtnl, &one) < 0 && !first.code)
			first = one;
	if (discard_add(&d, n->bridge, rtnl, &one) < 0 && !first.code)
		first = one;
	if (discard_run(&d, rtnl, &one) < 0 && !first.code)
		first = one;
	if (first.code)
		return err_set(e, first.code, "%s", first.text);
	log_info("bridge %s: removed", n->bridge);
	return 0;
}

static bool ip6_taken(const struct network *n, const struct in6_addr *ip)
{
	for (const struct member *m = n->members; m; m = m->next)
		if (memcmp(&m->ip6, ip, sizeof(*ip)) == 0)
			return true;
	return false;
}

static int claim4(
	struct network *n, struct member *m, const struct member_want *want, struct err *e)
{
	int r;

	if (!want->ip4)
		return pool_take(n->pool, &m->ip4, e);
	r = ip4_parse(want->ip4, &m->ip4, e);
	if (r == 0)
		r = pool_claim(n->pool, m->ip4, e);
	if (r == 0 && want->as_it_was)
		pool_go_on(n->pool, m->ip4);
	return r;
}

/* Unless asked for, an IPv6 address is the subnet and the same number as the IPv4 address has. */
static int claim6(
	struct network *n, struct member *m, const struct member_want *want, struct err *e)
{
	struct in6_addr gw = network_gateway6(n);
	const char *text = want->ip6;
	char net[CIDR_TEXT_MAX];

	if (!text && want->as_it_was)
		return 0;
	if (!n->has6)
		return text ? err_set(e, EINVAL, "address %s: the host has no IPv6", text) : 0;
	if (!text) {
		m->ip6 = cidr6_nth(&n->net6, m->ip4 - n->net4.base);
		if (ip6_taken(n, &m->ip6))
			return err_set(e, EADDRINUSE, "address %s is already in use",
				ip6_format(&m->ip6, net));
		return 0;
	}
	if (ip6_parse(text, &m->ip6, e) < 0)
		return -EINVAL;
	if (!cidr6_contains(&n->net6, &m->ip6))
		return err_set(e, EINVAL, "address %s is outside the network's subnet %s", text,
			cidr6_format(&n->net6, net));
	if (memcmp(&m->ip6, &gw, sizeof(gw)) == 0 ||
		memcmp(&m->ip6, &n->net6.base, sizeof(gw)) == 0)
		return err_set(e, EINVAL, "address %s is reserved in subnet %s", text,
			cidr6_format(&n->net6, net));
	if (ip6_taken(n, &m->ip6))
		return err_set(e, EADDRINUSE, "address %s is already in use", text);
	return 0;
}

/* Where somebody asked for the IPv6 address that goes with a free IPv4 address, the next one is
 * tried. */
static int claim_both(
	struct network *n, struct member *m, const struct member_want *want, struct err *e)
{
	for (uint32_t tries = 0; tries <= cidr4_last(n->net4) - n->net4.base; tries++) {
		int r = claim4(n, m, want, e);

		if (r < 0)
			return r;
		r = claim6(n, m, want, e);
		if (r == 0)
			return 0;
		pool_release(n->pool, m->ip4);
		if (want->ip4 || want->ip6)
			return r;
	}
	return err_set(e, EADDRNOTAVAIL, "no address is free");
}

static bool link_taken(const struct network *n, const char *link)
{
	for (const struct member *m = n->members; m; m = m->next)
		if (strcmp(m->link, link) == 0)
			return true;
	return false;
}

static bool mac_taken(const struct network *n, const char *engine, const uint8_t mac[6])
{
	uint8_t gateway[6];

	names_bridge_mac(engine, n->name, gateway);
	if (memcmp(gateway, mac, 6) == 0)
		return true;
	for (const struct member *m = n->members; m; m = m->next)
		if (memcmp(m->mac, mac, 6) == 0)
			return true;
	return false;
}

/* Never one that another has: it would take that one's frames away. */
static int choose_mac(const struct network *n, const char *engine, struct member *m,
	const char *text, struct err *e)
{
	if (text) {
		if (mac_parse(text, m->mac, e) < 0)
			return -e->code;
		return mac_taken(n, engine, m->mac)
			       ? err_set(e, EADDRINUSE, "address %s is already in use", text)
			       : 0;
	}
	mac_from_ip4(m->ip4, m->mac);
	while (mac_taken(n, engine, m->mac))
		m->mac[1]++; /* somebody asked for that one */
	return 0;
}

static int choose_bridge(struct network *n, const char *engine, const struct member_want *want,
	struct annex **ret, struct err *e)
{
	struct annex *a = annex_of(n, want->bridge);

	*ret = a;
	if (a || (want->bridge && want->bridge == n->ifindex) || n->own < n->room)
		return 0;
	for (a = n->annexes; a && a->members >= n->room; a = a->next)
		;
	*ret = a ? a : annex_new(n, engine);
	return *ret ? 0 : err_errno(e, ENOMEM, "annex");
}

int network_join(struct network *n, const char *engine, const struct member_want *want,
	struct member **ret, struct err *e)
{
	struct annex *a = NULL;
	struct member *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_errno(e, ENOMEM, "network %s", n->name);
	r = claim_both(n, m, want, e);
	if (r == 0) {
		r = choose_mac(n, engine, m, want->mac, e);
		if (r == 0)
			r = choose_bridge(n, engine, want, &a, e);
		if (r < 0)
			pool_release(n->pool, m->ip4);
	}
	if (r < 0) {
		free(m);
		return err_prefix(e, "network %s", n->name);
	}
	snprintf(m->id, sizeof(m->id), "%s", want->id);
	names_link(engine, n->name, want->id, m->link);
	if (link_taken(n, m->link))
		names_link_hashed(engine, n->name, want->id, m->link);
	put(n, m, a);
	*ret = m;
	return 0;
}

void network_leave(struct network *n, struct member *m)
{
	struct member **at = &n->members;

	while (*at && *at != m)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = m->next;
	if (m->annex)
		m->annex->members--;
	else
		n->own--;
	pool_release(n->pool, m->ip4);
	free(m);
}
