/* SPDX-License-Identifier: MIT */
/*
 * Annexes: as things of the kernel's. Runs in netd.
 */
#include "annex.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "batch.h"
#include "host.h"
#include "netd.h"
#include "rt.h"

#define IDLE_MS 2000 /* empty as long, an annex is removed */

/* What of it isn't right; 1 << the place in the list below. */
enum { BRIDGE = 1, DOWN = 2, UP = 4, ALL = BRIDGE | DOWN | UP };
static const char *const parts[] = {"bridge", "down", "up"};

/* ---- what is known of them ---- */

static struct annex *annex_add(struct network *n, const char *engine, unsigned int number)
{
	struct annex *a = calloc(1, sizeof(*a)), **at = &n->annexes;

	if (!a)
		return NULL;
	a->number = number;
	a->amiss = ALL;
	names_annex(engine, n->name, number, parts[0], a->bridge);
	names_annex(engine, n->name, number, parts[1], a->down);
	names_annex(engine, n->name, number, parts[2], a->up);
	while (*at && (*at)->number < number)
		at = &(*at)->next;
	a->next = *at;
	*at = a;
	return a;
}

struct annex *annex_new(struct network *n, const char *engine)
{
	unsigned int number = 1;

	for (const struct annex *a = n->annexes; a && a->number == number; a = a->next)
		number++;
	return annex_add(n, engine, number);
}

static unsigned int part_of(const struct annex *a, int ifindex)
{
	return ifindex == a->ifindex  ? BRIDGE
	       : ifindex == a->ifdown ? DOWN
	       : ifindex == a->ifup   ? UP
				      : 0;
}

static int *index_at(struct annex *a, unsigned int part)
{
	return part == DOWN ? &a->ifdown : part == UP ? &a->ifup : &a->ifindex;
}

struct annex *annex_of(const struct network *n, int bridge)
{
	struct annex *a = n->annexes;

	while (a && !(bridge && a->ifindex == bridge))
		a = a->next;
	return a;
}

void annex_free(struct network *n, struct annex *a)
{
	struct annex **at = &n->annexes;

	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
	free(a);
}

/* By any of its parts, so that one which has lost the others is mended, or removed. Whether all is
 * right is left to the first look. */
static int adopt(struct network *n, const char *engine, struct rtnl_link *l, struct err *e)
{
	for (unsigned int i = 0; i < ARRAY_LEN(parts); i++) {
		unsigned int number = names_parse_annex_alias(
			engine, n->name, rtnl_link_get_ifalias(l), parts[i]);
		struct annex *a = n->annexes;

		if (!number)
			continue;
		while (a && a->number != number)
			a = a->next;
		if (!a)
			a = annex_add(n, engine, number);
		if (!a)
			return err_errno(e, ENOMEM, "network %s", n->name);
		a->made = true;
		*index_at(a, 1U << i) = rtnl_link_get_ifindex(l);
		return 0;
	}
	return 0;
}

int annex_adopt(struct network *n, const char *engine, const struct host *h, struct err *e)
{
	struct nl_object *o = nl_cache_get_first(h->links);
	int r = 0;

	for (; o && r == 0; o = nl_cache_get_next(o))
		r = adopt(n, engine, (struct rtnl_link *)o, e);
	return r;
}

bool annex_has(const struct network *n, int ifindex)
{
	for (const struct annex *a = n->annexes; a; a = a->next)
		if (part_of(a, ifindex))
			return true;
	return false;
}

bool annex_heed(struct network *n, const struct rt_link *l, bool gone)
{
	for (struct annex *a = n->annexes; a; a = a->next) {
		unsigned int part = part_of(a, l->ifindex);
		int master = part == DOWN ? n->ifindex : part == UP ? a->ifindex : 0;

		if (!part)
			continue;
		if (gone || !l->up || l->master != master)
			a->amiss |= part;
		else
			a->amiss &= ~part;
		if (gone)
			*index_at(a, part) = 0;
		return true;
	}
	return false;
}

/* ---- made and mended ---- */

/* The three links as found, and what they are to be called. */
struct found {
	const struct rt_link *bridge, *down, *up;
	char alias[3][NAMES_ALIAS_MAX];
};

/* Ours by its number or alias. One without an alias is a piece of what a run had no time to finish:
 * nobody else chooses such names. */
static int find(const struct look *look, const char *name, int known, const char *alias,
	bool bridge, const struct rt_link **ret, struct err *e)
{
	const struct look_link *found = look_named(look, name);
	const struct rt_link *l = found ? &found->l : NULL;

	*ret = l;
	if (!l || ((bridge ? l->bridge : l->veth) &&
			  (l->ifindex == known || !l->alias[0] || strcmp(l->alias, alias) == 0)))
		return 0;
	return err_set(
		e, EEXIST, "link %s exists and is not this engine's: rename or delete it", name);
}

static int find_all(const struct netd *d, const struct network *n, const struct annex *a,
	const struct look *look, struct found *ret, struct err *e)
{
	int r;

	for (unsigned int i = 0; i < ARRAY_LEN(parts); i++)
		names_annex_alias(d->engine, n->name, a->number, parts[i], ret->alias[i]);
	r = find(look, a->bridge, a->ifindex, ret->alias[0], true, &ret->bridge, e);
	if (r == 0)
		r = find(look, a->down, a->ifdown, ret->alias[1], false, &ret->down, e);
	if (r == 0)
		r = find(look, a->up, a->ifup, ret->alias[2], false, &ret->up, e);
	return r;
}

/* Is it a pair, and not two halves? */
static bool is_pair(const struct found *p)
{
	return p->down && p->up && p->down->peer == p->up->ifindex;
}

static bool is_right(const struct netd *d, const struct network *n, const struct found *p)
{
	const struct rt_link *b = p->bridge, *down = p->down, *up = p->up;

	return b && is_pair(p) && b->up && b->noarp && strcmp(b->alias, p->alias[0]) == 0 &&
	       down->up && down->master == n->ifindex && !down->open &&
	       down->hairpin == fw_filters_bridges(d->fw) &&
	       strcmp(down->alias, p->alias[1]) == 0 && up->up && up->master == b->ifindex &&
	       up->outlet && strcmp(up->alias, p->alias[2]) == 0;
}

static void on_link(void *arg, struct nlmsghdr *h)
{
	struct rt_link l;

	if (rt_link_read(h, &l))
		*(int *)arg = l.ifindex;
}

static int made(const char *name, int rtnl, int *ret, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_link_get(name), "reading");
	return batch_run(&b, rtnl, on_link, ret, e);
}

static int make(const struct netd *d, const struct network *n, struct annex *a,
	const struct found *p, struct err *e)
{
	uint8_t mac[6];
	struct rt_bridge rb = {.name = a->bridge, .mac = mac, .mtu = n->mtu};
	struct rt_veth rv = {.name = a->down,
		.bridge = n->ifindex,
		.mtu = n->mtu,
		.netns = -1,
		.peer_name = a->up};
	_cleanup_batch_ struct batch b = {0};

	names_bridge_mac(d->engine, a->bridge, mac);
	if (!p->bridge)
		batch_add(&b, rt_bridge_add(&rb), a->bridge);
	if (!is_pair(p) && p->down)
		batch_add(&b, rt_link_delete(a->down), a->down);
	if (!is_pair(p) && p->up)
		batch_add(&b, rt_link_delete(a->up), a->up);
	if (!is_pair(p))
		batch_add(&b, rt_veth_add(&rv), a->down);
	if (batch_run(&b, d->rtnl, NULL, NULL, e) < 0 ||
		made(a->bridge, d->rtnl, &a->ifindex, e) < 0 ||
		made(a->down, d->rtnl, &a->ifdown, e) < 0 || made(a->up, d->rtnl, &a->ifup, e) < 0)
		return -e->code;
	return 0;
}

/* With hairpin on `down` a container of an annex reaches a port that one of the same annex has
 * published even where frames on bridges are shown to the firewall for packets (br_netfilter); the
 * firewall for bridges sees to it that no broadcast comes back that way. */
static int settle(const struct netd *d, const struct network *n, const struct annex *a,
	const struct found *p, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	/* No change, for the kernel, where it has that master. */
	batch_add(&b, rt_link_master(a->ifdown, n->ifindex), "joining the network's bridge");
	batch_add(&b, rt_port_set(a->ifdown, fw_filters_bridges(d->fw)), "bridge port");
	batch_add(&b, rt_veth_up(a->ifdown, p->alias[1]), "bringing up");
	batch_add(&b, rt_link_master(a->ifup, a->ifindex), "joining the bridge");
	batch_add(&b, rt_port_outlet(a->ifup), "bridge port");
	batch_add(&b, rt_veth_up(a->ifup, p->alias[2]), "bringing up");
	batch_add(&b, rt_annex_up(a->ifindex, p->alias[0]), "bringing up");
	return batch_run(&b, d->rtnl, NULL, NULL, e);
}

static int sysctls(const struct netd *d, const struct annex *a, struct err *e)
{
	const char *const links[] = {a->bridge, a->down, a->up};
	int r = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(links) && r == 0; i++)
		r = sysctls_link(d->sysctls, links[i], e);
	return r;
}

static int bind_members(
	const struct netd *d, const struct network *n, const struct annex *a, struct err *e)
{
	int r = 0;

	for (const struct member *m = n->members; m && r == 0; m = m->next)
		if (m->annex == a)
			r = annex_owner(d, m, e);
	return r;
}

int annex_mend(
	struct netd *d, struct network *n, struct annex *a, const struct look *look, struct err *e)
{
	struct found p;
	int r;

	a->amiss = ALL;
	r = find_all(d, n, a, look, &p, e);
	if (r < 0)
		return r;
	if (is_right(d, n, &p)) {
		a->ifindex = p.bridge->ifindex;
		a->ifdown = p.down->ifindex;
		a->ifup = p.up->ifindex;
		a->amiss = 0;
		return 0;
	}
	r = rules_annex(d, a, e);
	if (r == 0)
		r = make(d, n, a, &p, e);
	if (r == 0)
		r = sysctls(d, a, e);
	if (r == 0)
		r = settle(d, n, a, &p, e);
	if (r == 0)
		r = bind_members(d, n, a, e);
	if (r < 0)
		return err_prefix(e, "bridge %s", a->bridge);
	a->amiss = 0;
	if (a->made)
		log_warn("bridge %s: it or its way to %s was not as it should be, put right",
			a->bridge, n->bridge);
	else
		log_info("bridge %s: created, joined with %s", a->bridge, n->bridge);
	a->made = true;
	return 1;
}

int annex_ready(struct netd *d, struct network *n, struct annex *a, struct err *e)
{
	_cleanup_look_ struct look look = {0};
	int r = 0;

	if (a && a->amiss)
		r = look_read(d->engine, &look, e);
	if (r == 0 && a && a->amiss)
		r = annex_mend(d, n, a, &look, e);
	return r < 0 ? r : 0;
}

int annex_owner(const struct netd *d, const struct member *m, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	if (!m->annex || !m->annex->ifdown)
		return 0;
	batch_add(&b, rt_port_owner(m->annex->ifdown, m->mac), "bridge's address table");
	return batch_run(&b, d->rtnl, NULL, NULL, e);
}

/* What is gone doesn't count. */
void annex_disown(const struct netd *d, const struct member *m)
{
	_cleanup_batch_ struct batch b = {0};

	if (!m->annex || !m->annex->ifdown)
		return;
	batch_add(&b, rt_port_disown(m->annex->ifdown, m->mac), "bridge's address table");
	batch_run(&b, d->rtnl, NULL, NULL, NULL);
}

/* ---- removed ---- */

int annex_discard(const struct annex *a, struct discard *to, int rtnl, struct err *e)
{
	int r = a->ifdown ? discard_add(to, a->down, rtnl, e) : 0;

	if (r == 0 && a->ifup)
		r = discard_add(to, a->up, rtnl, e);
	if (r == 0 && a->ifindex)
		r = discard_add(to, a->bridge, rtnl, e);
	return r;
}

static void remove_empty(struct netd *d, struct network *n)
{
	struct discard gone = {0};
	struct err e = {0};

	for (struct annex *a = n->annexes, *next; a; a = next) {
		next = a->next;
		if (a->members)
			continue;
		if (annex_discard(a, &gone, d->rtnl, &e) < 0 || rules_annex_gone(d, a, &e) < 0)
			log_warn("bridge %s: %s", a->bridge, e.text);
		log_info("bridge %s: empty, removed", a->bridge);
		annex_free(n, a);
	}
	if (discard_run(&gone, d->rtnl, &e) < 0)
		log_warn("network %s: %s", n->name, e.text);
}

static void on_time(void *arg)
{
	struct netd *d = arg;

	for (struct network *n = d->networks; n; n = n->next)
		remove_empty(d, n);
}

void annex_idle(struct netd *d)
{
	bool empty = false;

	for (const struct network *n = d->networks; n; n = n->next)
		for (const struct annex *a = n->annexes; a; a = a->next)
			empty |= !a->members;
	if (!empty)
		return;
	if (!d->idle)
		d->idle = loop_timer(d->loop, IDLE_MS, on_time, d);
	if (d->idle)
		timer_again(d->idle, IDLE_MS);
}
