/* SPDX-License-Identifier: MIT */
/*
 * veth pairs, seen from the host. Runs in netd.
 */
#include "veth.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "batch.h"
#include "rt.h"

static void on_link(void *arg, struct nlmsghdr *h)
{
	struct rt_link l;

	if (rt_link_read(h, &l))
		*(struct rt_link *)arg = l;
}

int veth_delete(int rtnl, const char *name, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};
	int r;

	batch_add(&b, rt_link_delete(name), name);
	r = batch_run(&b, rtnl, NULL, NULL, e);
	return r == -ENODEV ? 0 : r;
}

static int create(int rtnl, const struct veth_want *want, struct rt_link *ret, struct err *e)
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
static int replace(int rtnl, const struct veth_want *want, struct rt_link *l, struct err *e)
{
	if (!l->ifindex)
		return err_set(e, EEXIST,
			"the container's network namespace already has a link " VETH_INSIDE);
	if (!l->veth || l->master != want->bridge)
		return err_set(e, EEXIST, "a link of this name exists and is not this engine's");
	log_info("link %s: a leftover, replaced", want->name);
	if (veth_delete(rtnl, want->name, e) < 0)
		return -e->code;
	*l = (struct rt_link){0};
	return create(rtnl, want, l, e);
}

static void add_settings(struct batch *b, const struct veth_want *want, int ifindex)
{
	batch_add(b, rt_port_set(ifindex, want->hairpin), "bridge port");
	batch_add(b, rt_port_owner(ifindex, want->mac), "bridge's address table");
	batch_add(b, rt_veth_up(ifindex, want->alias), "bringing up");
}

int veth_make(int rtnl, const struct veth_want *want, struct rt_link *ret, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};
	struct rt_link l = {0};
	struct err local = {0};
	int r = create(rtnl, want, &l, &local);

	if (r == -EEXIST)
		r = replace(rtnl, want, &l, &local);
	if (r < 0)
		return err_set(e, r, "link %s: %s", want->name, local.text);
	add_settings(&b, want, l.ifindex);
	r = batch_run(&b, rtnl, NULL, NULL, e);
	if (r < 0) {
		veth_delete(rtnl, want->name, NULL);
		return err_prefix(e, "link %s", want->name);
	}
	*ret = l;
	return 0;
}

bool veth_is_as(const struct rt_link *is, const struct veth_want *want)
{
	return is->up && is->master == want->bridge && !is->open && is->hairpin == want->hairpin &&
	       strcmp(is->alias, want->alias) == 0 && strcmp(is->name, want->name) == 0;
}

int veth_mend(int rtnl, const struct veth_want *want, const struct rt_link *is, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	if (strcmp(is->name, want->name) != 0) {
		batch_add(&b, rt_link_down(is->ifindex), "renaming");
		batch_add(&b, rt_link_rename(is->ifindex, want->name), "renaming");
	}
	/* No change, for the kernel, where it has that master. */
	batch_add(&b, rt_link_master(is->ifindex, want->bridge), "joining the bridge");
	add_settings(&b, want, is->ifindex);
	return batch_run(&b, rtnl, NULL, NULL, e) < 0 ? err_prefix(e, "link %s", is->name) : 0;
}

int veth_owner(int rtnl, int ifindex, const uint8_t mac[6], struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_port_owner(ifindex, mac), "bridge's address table");
	return batch_run(&b, rtnl, NULL, NULL, e);
}
