/* SPDX-License-Identifier: MIT */
/*
 * veth pairs, seen from the host. Runs in netd.
 */
#include "veth.h"

#include <errno.h>
#include <netlink/attr.h>
#include <string.h>

#include "base/log.h"
#include "batch.h"
#include "rt.h"

struct found {
	int ifindex, peer, master;
	bool veth;
};

static void on_link(void *arg, struct nlmsghdr *h)
{
	struct nlattr *kind[IFLA_INFO_MAX + 1], *a[IFLA_MAX + 1];
	struct found *f = arg;

	if (h->nlmsg_type != RTM_NEWLINK ||
		nlmsg_parse(h, sizeof(struct ifinfomsg), a, IFLA_MAX, NULL) < 0)
		return;
	f->ifindex = ((struct ifinfomsg *)nlmsg_data(h))->ifi_index;
	f->peer = a[IFLA_LINK] ? nla_get_s32(a[IFLA_LINK]) : 0;
	f->master = a[IFLA_MASTER] ? nla_get_s32(a[IFLA_MASTER]) : 0;
	if (a[IFLA_LINKINFO] && nla_parse_nested(kind, IFLA_INFO_MAX, a[IFLA_LINKINFO], NULL) == 0)
		f->veth = kind[IFLA_INFO_KIND] && nla_strcmp(kind[IFLA_INFO_KIND], "veth") == 0;
}

int veth_delete(int rtnl, const char *name, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};
	int r;

	batch_add(&b, rt_link_delete(name), name);
	r = batch_run(&b, rtnl, NULL, NULL, e);
	return r == -ENODEV ? 0 : r;
}

static int create(int rtnl, const struct veth_want *want, struct found *ret, struct err *e)
{
	struct rt_veth v = {.name = want->name,
		.bridge = want->bridge,
		.mtu = want->mtu,
		.netns = want->netns,
		.peer_name = VETH_INSIDE,
		.peer_mac = want->mac};
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_veth_add(&v), "creating");
	batch_add(&b, rt_link_get(want->name), "reading");
	return batch_run(&b, rtnl, on_link, ret, e);
}

/* -EEXIST is also the answer to an eth0 that is already inside: then no link of the host's name was
 * found. */
static int replace(int rtnl, const struct veth_want *want, struct found *f, struct err *e)
{
	if (!f->ifindex)
		return err_set(e, EEXIST,
			"the container's network namespace already has a link " VETH_INSIDE);
	if (!f->veth || f->master != want->bridge)
		return err_set(e, EEXIST, "a link of this name exists and is not this engine's");
	log_info("link %s: a leftover, replaced", want->name);
	if (veth_delete(rtnl, want->name, e) < 0)
		return -e->code;
	*f = (struct found){0};
	return create(rtnl, want, f, e);
}

static int bring_up(int rtnl, const struct veth_want *want, int ifindex, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_port_set(ifindex, want->hairpin), "bridge port");
	batch_add(&b, rt_port_owner(ifindex, want->mac), "bridge's address table");
	batch_add(&b, rt_veth_up(ifindex, want->alias), "bringing up");
	return batch_run(&b, rtnl, NULL, NULL, e);
}

int veth_make(int rtnl, const struct veth_want *want, int *ret_inside, struct err *e)
{
	struct found f = {0};
	struct err local = {0};
	int r = create(rtnl, want, &f, &local);

	if (r == -EEXIST)
		r = replace(rtnl, want, &f, &local);
	if (r < 0)
		return err_set(e, r, "link %s: %s", want->name, local.text);
	r = bring_up(rtnl, want, f.ifindex, e);
	if (r < 0) {
		veth_delete(rtnl, want->name, NULL);
		return err_prefix(e, "link %s", want->name);
	}
	*ret_inside = f.peer;
	return 0;
}
