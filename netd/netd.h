/* SPDX-License-Identifier: MIT */
/*
 * netd: the one process that changes the host's network. Everything it knows hangs off struct netd.
 */
#pragma once

#include "base/priv.h"
#include "chan.h"
#include "fw.h"
#include "once.h"
#include "rules.h"
#include "sysctl.h"

/* A link whose container is gone; see leaving.c. */
struct leaving {
	struct leaving *next;
	char link[IFNAMSIZ];
};

struct netd {
	const char *engine;
	bool enter_netns; /* debug: may go into a namespace that came without an rtnl socket */
	int rtnl;	  /* of the host's network namespace */
	struct loop *loop;
	struct chan *chan; /* to the supervisor */
	struct fw *fw;
	struct rules *rules;
	struct mender *mender;
	struct once once;
	struct sysctls *sysctls;
	bool sysctls_amiss; /* as the kernel told last */
	struct network *networks;
	struct published *book;
	bool book_read; /* what an earlier run published has been looked for */
	struct leaving *leaving;
	struct watch *reaper, *idle;
	uint32_t room; /* for containers on one bridge */
};

extern const struct handler netd_handlers[];
extern const struct priv_profile netd_profile;	     /* NET_ADMIN alone */
extern const struct priv_profile netd_enter_profile; /* and SYS_ADMIN, for --enter-netns */

/* By its name; NULL when it hasn't been set up. */
struct network *netd_network(const struct netd *d, const char *name);

/* Holds a port that was published before netd was started. */
void netd_hold(struct netd *d, struct published *p);

int netd_open(struct netd *d, struct err *e);
void netd_close(struct netd *d);

/* Deletes the link soon, unless the kernel does: a network namespace takes its links with it, many
 * at a time, without making netd wait (veth_delete takes 20 ms). */
void leaving_add(struct netd *d, const char *link);
bool leaving_has(const struct netd *d, const char *link);
void leaving_forget(struct netd *d, const char *link);
/* Deletes what is left, now. */
void leaving_finish(struct netd *d);
