/* SPDX-License-Identifier: MIT */
/*
 * net_sync. Runs in netd. The list is checked as a whole before anything is changed; then each
 * container is put right by itself, so that trouble with one is not another's.
 */
#include "sync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "annex.h"
#include "attach.h"
#include "base/fd.h"
#include "base/log.h"
#include "discard.h"
#include "mend.h"

#define MEMBERS_MAX (8U << 20) /* bytes: 2047 containers with 30 ports each */

/* A list under way. */
struct sync {
	struct netd *d;
	struct look look;
	unsigned int mended;
	struct err first; /* failure */
};

static void failed(struct sync *s, const char *container, struct err *e)
{
	err_prefix(e, "container %.12s", container);
	log_warn("%s", e->text);
	if (!s->first.code)
		s->first = *e;
	*e = (struct err){0};
}

/* Addresses that are text at all, ports that are ports. */
static int check_endpoint(const struct endpoint *ep, struct err *e)
{
	struct member m = {.ip6 = IN6ADDR_LOOPBACK_INIT};
	struct published *rows = NULL;
	int r = 0;

	if (!ep->ip4 || !ep->mac)
		return err_set(e, EINVAL, "an endpoint needs an IPv4 and a MAC address");
	r = ip4_parse(ep->ip4, &m.ip4, e);
	if (r == 0 && ep->ip6)
		r = ip6_parse(ep->ip6, &m.ip6, e);
	if (r == 0)
		r = mac_parse(ep->mac, m.mac, e);
	if (r == 0)
		r = ports_restore(ep->ports.v, ep->ports.n, &m, &rows, e);
	ports_free(rows);
	return r;
}

static int check(const struct netd *d, const struct net_members *list, struct err *e)
{
	for (uint32_t i = 0; i < list->members.n; i++) {
		const struct net_member *m = &list->members.v[i];

		if (names_check("container", m->container, e) < 0)
			return -e->code;
		if (!netd_network(d, m->network))
			return err_set(e, ENOENT, "network %s has not been set up", m->network);
		if (m->endpoint && check_endpoint(m->endpoint, e) < 0)
			return err_prefix(e, "container %.12s", m->container);
	}
	return 0;
}

/* ---- who isn't listed ---- */

static void mark(struct netd *d, const struct net_members *list)
{
	for (struct network *n = d->networks; n; n = n->next)
		for (struct member *m = n->members; m; m = m->next)
			m->listed = false;
	for (uint32_t i = 0; i < list->members.n; i++) {
		const struct net_member *e = &list->members.v[i];
		struct member *m = network_member(netd_network(d, e->network), e->container);

		if (m)
			m->listed = true;
	}
}

static void remove_unlisted(struct sync *s)
{
	for (struct network *n = s->d->networks; n; n = n->next)
		for (struct member *m = n->members, *next; m; m = next) {
			char id[NAMES_ID_MAX + 1];
			struct err e = {0};

			next = m->next;
			if (m->listed)
				continue;
			snprintf(id, sizeof(id), "%s", m->id);
			log_warn("container %s: not here any more, taken off network %s", id,
				n->name);
			s->mended++;
			if (detach(s->d, id, &e) < 0)
				failed(s, id, &e);
		}
}

static bool is_listed(const struct net_members *list, const char *container)
{
	for (uint32_t i = 0; i < list->members.n; i++)
		if (strcmp(list->members.v[i].container, container) == 0)
			return true;
	return false;
}

/* Of who is on no network either. */
static void remove_ports(struct sync *s, const struct net_members *list)
{
	for (struct published *p = s->d->book, *next; p; p = next) {
		char id[NAMES_ID_MAX + 1];
		struct err e = {0};

		next = p->next;
		if (is_listed(list, p->container))
			continue;
		snprintf(id, sizeof(id), "%s", p->container);
		while (next && strcmp(next->container, id) == 0)
			next = next->next;
		log_warn("container %s: not here any more, its ports are withdrawn", id);
		s->mended++;
		if (detach(s->d, id, &e) < 0)
			return failed(s, id, &e); /* they are at the book's end now */
	}
}

/* By its alias a link of this engine's; or half of one, which netd had no time to finish. */
static bool is_leftover(const struct netd *d, const struct look_link *l)
{
	if (!l->l.veth || l->known || leaving_has(d, l->l.name))
		return false;
	if (l->container[0])
		return true;
	for (const struct network *n = d->networks; n; n = n->next)
		if ((l->l.master == n->ifindex || annex_of(n, l->l.master)) && !l->l.alias[0] &&
			names_is_link(l->l.name))
			return true;
	return false;
}

static void remove_links(struct sync *s)
{
	for (size_t i = 0; i < s->look.n_links; i++) {
		const struct look_link *l = &s->look.links[i];

		if (!is_leftover(s->d, l))
			continue;
		log_warn("link %s: nobody's any more, removed", l->l.name);
		s->mended++;
		leaving_add(s->d, l->l.name);
	}
}

int sync_sweep(struct netd *d, struct err *e)
{
	_cleanup_look_ struct look look = {0};
	struct discard gone = {0};

	if (look_read(d->engine, &look, e) < 0)
		return -e->code;
	for (size_t i = 0; i < look.n_links; i++)
		if (is_leftover(d, &look.links[i]) &&
			discard_add(&gone, look.links[i].l.name, d->rtnl, e) < 0)
			return -e->code;
	return discard_run(&gone, d->rtnl, e);
}

/* ---- who is ---- */

/* Of the list, once it has been checked. */
static bool is_at(const struct network *n, const struct member *m, const struct endpoint *ep)
{
	struct in6_addr ip6 = {0};
	uint8_t mac[6];
	uint32_t ip4;

	if (ep->ip6 && n->has6)
		ip6_parse(ep->ip6, &ip6, NULL);
	return ip4_parse(ep->ip4, &ip4, NULL) == 0 && mac_parse(ep->mac, mac, NULL) == 0 &&
	       ip4 == m->ip4 && memcmp(mac, m->mac, 6) == 0 &&
	       memcmp(&ip6, &m->ip6, sizeof(ip6)) == 0;
}

/* netd knew nothing of it, or something else. */
static int add_member(struct sync *s, struct network *n, const struct net_member *entry,
	struct member **ret, struct err *e)
{
	const struct endpoint *ep = entry->endpoint;
	const struct look_link *l = look_of(&s->look, entry->container);
	const struct member_want want = {.id = entry->container,
		.ip4 = ep->ip4,
		.ip6 = n->has6 ? ep->ip6 : NULL,
		.mac = ep->mac,
		.as_it_was = true,
		.bridge = l ? l->l.master : 0};
	struct member *m;

	if (network_join(n, s->d->engine, &want, &m, e) < 0)
		return -e->code;
	if (l && names_is_link(l->l.name))
		memcpy(m->link, l->l.name, sizeof(m->link));
	if (rules_admit(s->d, m, NULL, e) < 0) {
		attach_leave(s->d, n, m);
		return -e->code;
	}
	log_warn("container %s: was not known on network %s, is again", m->id, n->name);
	s->mended++;
	*ret = m;
	return 0;
}

/* Those of the book that the container hasn't published go; of `want`, what the book has. */
static int withdraw(struct sync *s, struct member *m, struct published **want, struct err *e)
{
	struct published *had = ports_take(&s->d->book, m->id), *stale = NULL, *next;
	char text[PORTS_TEXT_MAX];
	int r = 0;

	for (; had; had = next) {
		struct published **at = want, *same;

		next = had->next;
		had->next = NULL;
		while (*at && !ports_same(*at, had))
			at = &(*at)->next;
		same = *at;
		if (!same) {
			ports_append(&stale, had);
			continue;
		}
		*at = same->next;
		same->next = NULL;
		ports_free(same);
		if (had->hold < 0)
			netd_hold(s->d, had);
		ports_append(&s->d->book, had);
	}
	if (stale)
		r = rules_expel(s->d, NULL, stale, e);
	if (r < 0) { /* still there */
		ports_append(&s->d->book, stale);
		return r;
	}
	forget_flows(stale);
	for (const struct published *p = stale; p; p = p->next, s->mended++)
		log_warn("container %s: port %s is not its own, withdrawn", m->id,
			ports_format(p, text));
	ports_free(stale);
	return 0;
}

static int publish(struct sync *s, struct published **want, struct err *e)
{
	char text[PORTS_TEXT_MAX];

	while (*want) {
		struct published *p = *want;
		const struct published *o = ports_owner(s->d->book, p);

		*want = p->next;
		p->next = NULL;
		if (o)
			err_set(e, EADDRINUSE, "port %s is already in use by container %.12s",
				ports_format(p, text), o->container);
		if (o || rules_admit(s->d, NULL, p, e) < 0) {
			ports_free(p);
			return -e->code;
		}
		netd_hold(s->d, p);
		ports_append(&s->d->book, p);
		s->mended++;
		log_warn("container %s: port %s was not published, is again", p->container,
			ports_format(p, text));
	}
	return 0;
}

static int put_right(struct sync *s, const struct net_member *entry, struct err *e)
{
	struct network *n = netd_network(s->d, entry->network);
	struct member *m = network_member(n, entry->container);
	const struct endpoint *ep = entry->endpoint;
	struct published *want = NULL;
	int r = 0;

	if (m && !is_at(n, m, ep)) {
		log_warn("container %s: is not where it was thought to be", m->id);
		r = rules_expel(s->d, m, NULL, e);
		if (r == 0)
			attach_leave(s->d, n, m);
		m = NULL;
	}
	if (r == 0 && !m)
		r = add_member(s, n, entry, &m, e);
	if (r < 0)
		return r;
	m->hairpin = ep->ports.n > 0;
	r = ports_restore(ep->ports.v, ep->ports.n, m, &want, e);
	if (r == 0)
		r = withdraw(s, m, &want, e);
	if (r == 0)
		r = publish(s, &want, e);
	ports_free(want);
	return r;
}

/* What no look tells. */
static void own_addresses(struct sync *s)
{
	for (const struct network *n = s->d->networks; n; n = n->next)
		for (struct member *m = n->members; m; m = m->next) {
			struct err e = {0};

			if (m->ifindex && !n->amiss &&
				(veth_owner(s->d->rtnl, m->ifindex, m->mac, &e) < 0 ||
					annex_owner(s->d, m, &e) < 0))
				failed(s, m->id, &e);
		}
}

static int run(struct sync *s, const struct net_members *list)
{
	struct err e = {0};
	unsigned int mended = 0;

	mark(s->d, list);
	remove_unlisted(s);
	remove_ports(s, list);
	for (uint32_t i = 0; i < list->members.n; i++)
		if (list->members.v[i].endpoint && put_right(s, &list->members.v[i], &e) < 0)
			failed(s, list->members.v[i].container, &e);
	if (mend_all(s->d, &s->look, &mended, &e) < 0 && !s->first.code)
		s->first = e;
	s->mended += mended;
	remove_links(s);
	own_addresses(s);
	return -s->first.code;
}

static int read_list(int fd, struct arena *a, uint8_t **buf, struct net_members *ret, struct err *e)
{
	size_t n;
	int r = fd_memfd_read(fd, MEMBERS_MAX, buf, &n);

	if (r < 0)
		return err_errno(e, r, "reading net_members");
	return codec_decode(&schema_net_members, *buf, n, NULL, 0, a, ret, e);
}

void on_net_sync(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct net_sync *m = msg;
	_cleanup_arena_ struct arena a = {0};
	_cleanup_free_ uint8_t *buf = NULL;
	struct sync s = {.d = self};
	struct net_members list;
	struct net_synced answer = {0};
	struct err e = {0};
	int r;

	(void)f;
	r = read_list(m->members, &a, &buf, &list, &e);
	if (r == 0)
		r = check(s.d, &list, &e);
	if (r == 0)
		r = look_read(s.d->engine, &s.look, &e);
	if (r < 0)
		log_warn("%s", e.text);
	else if (run(&s, &list) < 0)
		e = s.first;
	look_free(&s.look);
	answer.mended = s.mended;
	if (e.code)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_net_synced, &answer);
}
