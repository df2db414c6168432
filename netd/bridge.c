/* SPDX-License-Identifier: MIT */
/*
 * Bridges. Runs in netd.
 */
#include "bridge.h"

#include <errno.h>

#include "base/log.h"
#include "batch.h"
#include "rt.h"

static int unmake(const struct network *n, int rtnl, int code, struct err *e)
{
	_cleanup_batch_ struct batch b = {0};

	batch_add(&b, rt_link_delete(n->bridge), "removing");
	batch_run(&b, rtnl, NULL, NULL, NULL);
	return err_errno(e, code, "bridge %s: reading its index", n->bridge);
}

/* Not in one batch with what follows, which would go on after a failure here and change what
 * somebody else made. */
int bridge_make(struct network *n, const char *engine, int rtnl, struct err *e)
{
	uint8_t mac[6];
	struct rt_bridge rb = {.name = n->bridge, .mac = mac, .mtu = n->mtu};
	_cleanup_batch_ struct batch b = {0};

	names_bridge_mac(engine, n->name, mac);
	batch_add(&b, rt_bridge_add(&rb), "creating");
	if (batch_run(&b, rtnl, NULL, NULL, e) < 0)
		return err_prefix(e, "bridge %s", n->bridge);
	n->ifindex = (int)if_nametoindex(n->bridge);
	if (!n->ifindex)
		return unmake(n, rtnl, errno, e);
	log_info("bridge %s: created", n->bridge);
	return 0;
}

int bridge_settle(const struct network *n, const char *engine, int rtnl, struct err *e)
{
	char alias[NAMES_ALIAS_MAX];
	struct rt_bridge rb = {.name = n->bridge, .alias = alias};
	struct in6_addr gw6 = network_gateway6(n);
	_cleanup_batch_ struct batch b = {0};

	names_bridge_alias(engine, n->name, alias);
	batch_add(&b, rt_addr4_add(n->ifindex, pool_gateway(n->pool), n->net4.len), "IPv4 address");
	if (n->has6)
		batch_add(&b, rt_addr6_add(n->ifindex, &gw6, n->net6.len), "IPv6 address");
	batch_add(&b, rt_bridge_up(&rb), "bringing up");
	if (batch_run(&b, rtnl, NULL, NULL, e) < 0)
		return err_prefix(e, "bridge %s", n->bridge);
	return 0;
}
