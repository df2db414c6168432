/* SPDX-License-Identifier: MIT */
/*
 * Attaching and detaching. Runs in netd, for the supervisor.
 */
#include "attach.h"

#include <errno.h>
#include <string.h>

#include "annex.h"
#include "base/fd.h"
#include "base/log.h"
#include "flows.h"
#include "inside.h"
#include "mend.h"
#include "rules.h"

void attach_link_want(const struct netd *d, const struct network *n, const struct member *m,
	struct veth_want *ret, char alias[NAMES_ALIAS_MAX])
{
	names_link_alias(d->engine, m->id, m->ip4, &m->ip6, m->mac, alias);
	*ret = (struct veth_want){.name = m->link,
		.alias = alias,
		.bridge = network_bridge(n, m),
		.mtu = n->mtu,
		.netns = -1,
		.hairpin = m->hairpin};
	memcpy(ret->mac, m->mac, sizeof(ret->mac));
}

static int make_link(struct netd *d, struct network *n, int netns, struct member *m,
	int *ret_inside, struct err *e)
{
	char alias[NAMES_ALIAS_MAX];
	struct veth_want want;
	struct rt_link made;

	attach_link_want(d, n, m, &want, alias);
	want.netns = netns;
	m->ifindex = 0;
	/* The container starts again before its last link has gone. */
	if (leaving_has(d, m->link)) {
		leaving_forget(d, m->link);
		if (veth_delete(d->rtnl, m->link, e) < 0)
			return err_prefix(e, "link");
	}
	if (veth_make(d->rtnl, &want, &made, e) < 0)
		return -e->code;
	m->ifindex = made.ifindex;
	*ret_inside = made.peer;
	return annex_owner(d, m, e);
}

static int set_up_inside(
	const struct network *n, const struct member *m, int rtnl, int ifindex, struct err *e)
{
	struct inside_want w = {.ifindex = ifindex,
		.ip4 = m->ip4,
		.gateway4 = pool_gateway(n->pool),
		.len4 = n->net4.len,
		.ip6 = m->ip6,
		.gateway6 = network_gateway6(n),
		.len6 = n->has6 ? n->net6.len : 0};

	return inside_setup(rtnl, &w, e);
}

static int publish(struct netd *d, const struct network *n, const struct net_attach *msg,
	const struct member *m, struct published **ret, struct err *e)
{
	int r = ports_resolve(d->book, msg->ports.v, msg->ports.n, n->port_ip, m, ret, e);

	if (r < 0)
		return r;
	r = rules_admit(d, m, *ret, e);
	if (r < 0) {
		ports_free(*ret);
		*ret = NULL;
	}
	return r;
}

/* Link and what is inside. */
static int connect_member(
	struct netd *d, struct network *n, struct member *m, int netns, int rtnl, struct err *e)
{
	int inside = 0, r = annex_ready(d, n, m->annex, e);

	if (r < 0)
		return r;
	r = make_link(d, n, netns, m, &inside, e);
	if (r == 0)
		r = sysctls_link(d->sysctls, m->link, e);
	if (r == 0)
		r = set_up_inside(n, m, rtnl, inside, e);
	if (r < 0 && m->ifindex) {
		veth_delete(d->rtnl, m->link, NULL);
		m->ifindex = 0;
	}
	return r;
}

void attach_leave(struct netd *d, struct network *n, struct member *m)
{
	annex_disown(d, m);
	network_leave(n, m);
	annex_idle(d);
}

static int join(struct netd *d, struct network *n, const struct net_attach *msg, int rtnl,
	struct member **ret_member, struct err *e)
{
	struct member_want want = {
		.id = msg->container, .ip4 = msg->ip4, .ip6 = msg->ip6, .mac = msg->mac};
	struct published *rows = NULL;
	struct member *m;
	int r = network_join(n, d->engine, &want, &m, e);

	if (r < 0)
		return r;
	m->hairpin = msg->ports.n > 0;
	r = publish(d, n, msg, m, &rows, e);
	if (r < 0)
		goto undo_join;
	r = connect_member(d, n, m, msg->netns, rtnl, e);
	if (r < 0)
		goto undo_publish;
	ports_append(&d->book, rows);
	*ret_member = m;
	return 0;

undo_publish:
	rules_expel(d, m, rows, NULL);
	ports_free(rows);
undo_join:
	attach_leave(d, n, m);
	return r;
}

/* Its addresses and ports have stayed what they were. */
static int rejoin(
	struct netd *d, struct network *n, struct member *m, int netns, int rtnl, struct err *e)
{
	if (!m->lost && if_nametoindex(m->link))
		return err_set(
			e, EEXIST, "container %.12s is on network %s already", m->id, n->name);
	if (connect_member(d, n, m, netns, rtnl, e) < 0)
		return -e->code;
	m->gone_at = 0;
	m->lost = false;
	log_info("container %s: has a link %s again", m->id, m->link);
	return 0;
}

int attach(struct netd *d, struct network *n, const struct net_attach *msg,
	struct member **ret_member, struct err *e)
{
	struct member *m = network_member(n, msg->container);
	_cleanup_fd_ int entered = -1;
	int r, rtnl = msg->rtnl;

	if (rtnl < 0 && !d->enter_netns)
		return err_set(e, EINVAL,
			"no rtnl socket of the container: a debug run may do without with --enter-netns");
	if (rtnl < 0)
		rtnl = entered = inside_open(msg->netns, e);
	r = rtnl < 0 ? rtnl : inside_check(rtnl, msg->netns, e);
	if (r == 0)
		r = mend_first(d, n, e);
	if (r < 0)
		return r;
	if (!m)
		return join(d, n, msg, rtnl, ret_member, e);
	*ret_member = m;
	return rejoin(d, n, m, msg->netns, rtnl, e);
}

void forget_flows(const struct published *rows)
{
	struct err e = {0};

	while (rows && !rows->udp)
		rows = rows->next;
	if (rows && flows_forget_from(rows->to4, &rows->to6, &e) < 0)
		log_warn("container %s: %s", rows->container, e.text);
}

int detach(struct netd *d, const char *container, struct err *e)
{
	struct published *rows = ports_take(&d->book, container);
	int r = 0;

	for (struct network *n = d->networks; n && r == 0; n = n->next) {
		struct member *m = network_member(n, container);

		if (!m)
			continue;
		r = rules_expel(d, m, rows, e);
		if (r < 0)
			break;
		leaving_add(d, m->link);
		attach_leave(d, n, m);
		forget_flows(rows);
		ports_free(rows);
		rows = NULL;
	}
	/* Of one whose link had gone before a new supervisor asked what there is. */
	if (rows && r == 0)
		r = rules_expel(d, NULL, rows, e);
	if (r == 0) {
		forget_flows(rows);
		ports_free(rows);
	} else { /* not withdrawn: still the container's, until it is asked for again */
		ports_append(&d->book, rows);
	}
	return r;
}
