/* SPDX-License-Identifier: MIT */
/*
 * netd's message handlers: check, do, answer. The supervisor is trusted to ask for its own
 * containers' good, not to send sound values. Runs in netd.
 */
#include "netd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "annex.h"
#include "attach.h"
#include "base/fd.h"
#include "base/log.h"
#include "batch.h"
#include "host.h"
#include "inside.h"
#include "mend.h"
#include "sync.h"

#define PORT_IP_DEFAULT "127.0.0.1"

int netd_open(struct netd *d, struct err *e)
{
	d->rtnl = batch_socket(NETLINK_ROUTE, e);
	if (d->rtnl < 0)
		return d->rtnl;
	if (sysctls_new(&d->sysctls, e) < 0)
		return -e->code;
	if (fw_new(d->engine, &d->fw, e) < 0)
		return -e->code;
	if (rules_new(d, &d->rules, e) < 0)
		return -e->code;
	return mender_new(d, &d->mender, e);
}

void netd_close(struct netd *d)
{
	leaving_finish(d);
	watch_free(d->reaper);
	watch_free(d->idle);
	while (d->networks) {
		struct network *n = d->networks;

		d->networks = n->next;
		network_free(n);
	}
	ports_free(d->book);
	mender_free(d->mender);
	rules_free(d->rules);
	fw_free(d->fw);
	sysctls_free(d->sysctls);
	fd_close(&d->rtnl);
}

struct network *netd_network(const struct netd *d, const char *name)
{
	struct network *n = d->networks;

	while (n && strcmp(n->name, name) != 0)
		n = n->next;
	return n;
}

static void fail(struct chan *c, uint32_t id, struct err *e)
{
	log_warn("%s", e->text);
	chan_fail(c, id, e);
}

/* Of the rows that an earlier run left in the firewall those whose containers are still on a
 * network come into the book, and their ports are held again. */
static void adopt_ports(struct netd *d, struct published *rows)
{
	struct published *next;

	for (; rows; rows = next) {
		bool known = false;

		next = rows->next;
		rows->next = NULL;
		for (struct network *n = d->networks; n && !known; n = n->next)
			known = network_member(n, rows->container);
		if (!known) {
			ports_free(rows);
			continue;
		}
		netd_hold(d, rows);
		ports_append(&d->book, rows);
	}
	d->book_read = true;
}

void netd_hold(struct netd *d, struct published *p)
{
	char text[PORTS_TEXT_MAX];

	if (!ports_hold_again(p))
		once_warn(&d->once,
			"port %s: another program has taken it; what comes there goes to container %.12s",
			ports_format(p, text), p->container);
}

/* In place of what was known of the network: the kernel has been asked anew. */
static void adopt(struct netd *d, struct network *fresh)
{
	struct network **at = &d->networks;
	struct member *next;

	for (struct member *m = fresh->members; m; m = next) {
		next = m->next;
		if (leaving_has(d, m->link))
			network_leave(fresh, m);
	}
	while (*at && strcmp((*at)->name, fresh->name) != 0)
		at = &(*at)->next;
	if (*at) {
		struct network *old = *at;

		fresh->next = old->next;
		network_free(old);
	}
	*at = fresh;
}

static int check_port_ip(const char *text, struct err *e)
{
	struct in6_addr ip6;
	uint32_t ip4;

	if (ip4_parse(text, &ip4, NULL) < 0 && ip6_parse(text, &ip6, NULL) < 0)
		return err_set(e, EINVAL, "'%s' is not an address to publish ports on", text);
	return 0;
}

static void forget(struct netd *d, struct network *n)
{
	struct network **at = &d->networks;

	while (*at && *at != n)
		at = &(*at)->next;
	if (*at)
		*at = n->next;
	network_free(n);
}

/* Sysctls and firewall of a network whose bridge stands. */
static int finish(struct netd *d, struct network *n, struct published *found, struct err *e)
{
	int r;

	adopt(d, n);
	adopt_ports(d, found);
	for (const struct published *p = d->book; p; p = p->next) {
		struct member *m = network_member(n, p->container);

		if (m)
			m->hairpin = true;
	}
	annex_idle(d);
	r = sysctls_bridge(d->sysctls, n->bridge, e);
	if (r == 0)
		r = rules_load(d, e);
	if (r < 0 && n->made) {
		network_undo(n, d->rtnl);
		forget(d, n);
	}
	return r;
}

static int setup(struct netd *d, const struct net_setup *m, struct network **ret, struct err *e)
{
	struct network_want want = {.subnet4 = m->subnet4,
		.subnet6 = m->subnet6,
		.mtu = m->mtu,
		.has6 = sysctls_have_ipv6(d->sysctls),
		.room = d->room};
	const char *port_ip = m->port_ip ? m->port_ip : PORT_IP_DEFAULT;
	struct published *found = NULL;
	struct network *n;
	int r = 0;

	if (names_check("network", m->network, e) < 0 || check_port_ip(port_ip, e) < 0)
		return -e->code;
	if (sysctls_recall(d->sysctls, &m->sysctls, e) < 0)
		return -e->code;
	if (!d->book_read)
		r = fw_read(d->fw, &found, e);
	if (r == 0)
		r = sysctls_forward(d->sysctls, e);
	if (r == 0)
		r = network_ensure(d->engine, m->network, &want, d->rtnl, &n, e);
	if (r < 0) {
		ports_free(found);
		return err_prefix(e, "network %s", m->network);
	}
	snprintf(n->port_ip, sizeof(n->port_ip), "%s", port_ip);
	r = finish(d, n, found, e);
	if (r < 0)
		return err_prefix(e, "network %s", m->network);
	*ret = n;
	return 0;
}

static void on_net_setup(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	char gw4[INET_ADDRSTRLEN], gw6[INET6_ADDRSTRLEN], net4[CIDR_TEXT_MAX], net6[CIDR_TEXT_MAX];
	_cleanup_arena_ struct arena a = {0};
	struct netd *d = self;
	struct in6_addr gateway6;
	struct network *n = NULL;
	struct strv changed = {0};
	struct err e = {0};

	(void)f;
	if (setup(d, msg, &n, &e) < 0 || sysctls_changed(d->sysctls, &a, &changed, &e) < 0) {
		fail(c, id, &e);
		return;
	}
	gateway6 = network_gateway6(n);
	struct net_ready ready = {
		.sysctls = changed,
		.bridge = n->bridge,
		.subnet4 = cidr4_format(n->net4, net4),
		.gateway4 = ip4_format(pool_gateway(n->pool), gw4),
	};

	if (n->has6) {
		ready.subnet6 = cidr6_format(&n->net6, net6);
		ready.gateway6 = ip6_format(&gateway6, gw6);
	}
	log_info("network %s: %s on %s, %s", n->name, net4, n->bridge, n->has6 ? net6 : "no IPv6");
	chan_reply(c, id, MSG_net_ready, &ready);
}

/* The container's rows of the book as a message's list. */
static int list_ports(const struct netd *d, const char *container, struct arena *a,
	struct endpoint *ret, struct err *e)
{
	uint32_t n = 0;

	for (const struct published *p = d->book; p; p = p->next)
		n += strcmp(p->container, container) == 0;
	if (!n)
		return 0;
	ret->ports.v = arena_alloc(a, n * sizeof(*ret->ports.v));
	if (!ret->ports.v)
		return err_errno(e, ENOMEM, "published ports");
	for (const struct published *p = d->book; p; p = p->next) {
		struct port *to = &ret->ports.v[ret->ports.n];
		char ip[INET6_ADDRSTRLEN];

		if (strcmp(p->container, container) != 0)
			continue;
		*to = (struct port){.host_ip = arena_strdup(a, ports_host(p, ip)),
			.host_port = p->host_port,
			.container_port = p->to_port,
			.proto = p->udp ? "udp" : "tcp"};
		ret->ports.n++;
	}
	return 0;
}

static int reply_attached(struct netd *d, struct chan *c, uint32_t id, const struct network *n,
	const struct member *m, struct err *e)
{
	char ip4[INET_ADDRSTRLEN], gw4[INET_ADDRSTRLEN], ip6[INET6_ADDRSTRLEN],
		gw6[INET6_ADDRSTRLEN];
	char mac_text[MAC_TEXT_MAX];
	struct in6_addr gateway6 = network_gateway6(n);
	_cleanup_arena_ struct arena a = {0};
	struct endpoint ep = {
		.ip4 = ip4_format(m->ip4, ip4),
		.prefix4 = n->net4.len,
		.gateway4 = ip4_format(pool_gateway(n->pool), gw4),
		.mac = mac_format(m->mac, mac_text),
	};
	struct net_attached reply = {.endpoint = &ep};

	if (n->has6) {
		ep.ip6 = ip6_format(&m->ip6, ip6);
		ep.prefix6 = n->net6.len;
		ep.gateway6 = ip6_format(&gateway6, gw6);
	}
	if (list_ports(d, m->id, &a, &ep, e) < 0)
		return -e->code;
	log_debug("container %s: %s and %s by %s", m->id, ip4, n->has6 ? ip6 : "no IPv6", m->link);
	chan_reply(c, id, MSG_net_attached, &reply);
	return 0;
}

static void on_net_attach(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct net_attach *m = msg;
	struct netd *d = self;
	struct network *n = netd_network(d, m->network);
	struct member *member;
	struct err e = {0};
	int r;

	(void)f;
	r = names_check("container", m->container, &e);
	if (r == 0 && !n)
		r = err_set(&e, ENOENT, "network %s has not been set up", m->network);
	if (r == 0)
		r = attach(d, n, m, &member, &e);
	if (r == 0) {
		r = reply_attached(d, c, id, n, member, &e);
		if (r < 0)
			detach(d, m->container, NULL);
	}
	if (r < 0)
		fail(c, id, &e);
}

static void on_net_detach(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct net_detach *m = msg;
	struct err e = {0};

	(void)f;
	if (names_check("container", m->container, &e) < 0 || detach(self, m->container, &e) < 0)
		fail(c, id, &e);
	else
		chan_done(c, id);
}

static void on_net_loopback(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct net_loopback *m = msg;
	struct err e = {0};

	(void)self;
	(void)f;
	if (inside_check(m->rtnl, -1, &e) < 0 || inside_loopback(m->rtnl, &e) < 0)
		fail(c, id, &e);
	else
		chan_done(c, id);
}

/* Others may rely on forwarding by now; where there is any other bridge, it stays. */
static bool alone(void)
{
	_cleanup_host_ struct host h = {0};

	if (host_read(&h, NULL) < 0)
		return false;
	return !host_has_bridge(&h);
}

static int teardown(struct netd *d, struct err *e)
{
	leaving_finish(d);
	while (d->networks) {
		struct network *n = d->networks;

		if (network_remove(n, d->rtnl, e) < 0)
			return -e->code;
		d->networks = n->next;
		network_free(n);
	}
	if (sync_sweep(d, e) < 0)
		return -e->code;
	ports_free(d->book);
	d->book = NULL;
	if (rules_remove(d, e) < 0)
		return -e->code;
	if (alone())
		sysctls_restore(d->sysctls);
	return 0;
}

static void on_net_teardown(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct err e = {0};

	(void)msg;
	(void)f;
	if (teardown(self, &e) < 0)
		fail(c, id, &e);
	else
		chan_done(c, id);
}

/* Known since the ruleset was loaded. */
static void on_facts(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	static struct fact good = {.name = "anti-spoofing",
		.level = "ok",
		.found = "no container can send in another's name"};
	static struct fact none = {.name = "anti-spoofing",
		.level = "weaker",
		.found = "this kernel has no firewall tables for bridges",
		.instead = "a container can send in the name of others on its network",
		.mend = "boot a kernel with CONFIG_NF_TABLES_BRIDGE, or load nf_tables_bridge"};
	const struct netd *d = self;
	struct facts_are answer = {
		.facts = {fw_filters_bridges(d->fw) ? &good : &none, d->networks ? 1 : 0}};

	(void)msg;
	(void)f;
	chan_reply(c, id, MSG_facts_are, &answer);
}

const struct handler netd_handlers[] = {
	{MSG_net_setup, on_net_setup},
	{MSG_net_attach, on_net_attach},
	{MSG_net_detach, on_net_detach},
	{MSG_net_loopback, on_net_loopback},
	{MSG_net_sync, on_net_sync},
	{MSG_net_teardown, on_net_teardown},
	{MSG_facts, on_facts},
	{0},
};
