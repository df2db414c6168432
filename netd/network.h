/* SPDX-License-Identifier: MIT */
/*
 * One network: its bridge, its subnets, and the containers on it. The kernel has the truth; what is
 * kept here is read from it when the network is set up.
 */
#pragma once

#include "names.h"
#include "pool.h"

#define NETWORK_ROOM 512 /* containers on one bridge: see annex.h */

/* A bridge beside the network's own: annex.h. */
struct annex {
	struct annex *next; /* by number */
	unsigned int number;
	char bridge[IFNAMSIZ], down[IFNAMSIZ], up[IFNAMSIZ];
	int ifindex, ifdown, ifup; /* 0: not known, or gone */
	unsigned int members;
	bool made;
	unsigned int amiss; /* which of the three are not as they should be */
};

/* A container on a network. */
struct member {
	struct member *next;
	struct annex *annex; /* NULL: on the network's own bridge */
	char id[NAMES_ID_MAX + 1];
	char link[IFNAMSIZ]; /* the host's end */
	uint32_t ip4;
	struct in6_addr ip6; /* :: on a network without IPv6 */
	uint8_t mac[6];	     /* of the end inside */
	int ifindex;	     /* of the host's end; 0: not known, or gone */
	bool hairpin;	     /* has published ports */
	bool amiss;	     /* its link is not as it should be, as the kernel told last */
	bool lost;	     /* its link is gone, and that has been said */
	bool listed;	     /* sync.c's */
	uint64_t gone_at;    /* its link was found missing then (monotonic, ns); 0: it wasn't */
};

struct network {
	struct network *next;
	char name[NAMES_ID_MAX + 1];
	char bridge[IFNAMSIZ];
	int ifindex;
	bool amiss; /* the bridge is not as it should be, as the kernel told last */
	bool addresses_amiss;
	bool made;    /* the bridge wasn't there before */
	uint32_t mtu; /* 0: the kernel's default */
	struct cidr4 net4;
	bool has6; /* false: the host has no IPv6, and net6 no meaning */
	struct cidr6 net6;
	struct pool *pool;
	struct member *members;
	unsigned int own;  /* of these on the network's own bridge */
	unsigned int room; /* how many go on one bridge */
	struct annex *annexes;
	char port_ip[INET6_ADDRSTRLEN]; /* where ports are published by default */
};

/* What net_setup asks for; NULL where netd chooses. */
struct network_want {
	const char *subnet4, *subnet6;
	uint32_t mtu;
	bool has6;
	unsigned int room;
};

/* Makes the bridge, or finds and adopts it with all containers on it. On failure nothing new is
 * left. */
int network_ensure(const char *engine, const char *name, const struct network_want *want, int rtnl,
	struct network **ret, struct err *e);
void network_free(struct network *n); /* leaves the kernel alone; NULL is fine */

/* Deletes the links and the bridges. Goes on after a failure and tells the first one. */
int network_remove(struct network *n, int rtnl, struct err *e);

/* Deletes the network's bridge, if network_ensure made it. */
void network_undo(const struct network *n, int rtnl);

struct in6_addr network_gateway6(const struct network *n);

/* ifindex of the bridge that the member's link belongs into. */
int network_bridge(const struct network *n, const struct member *m);

struct member *network_member(const struct network *n, const char *id);

/* Chooses or claims addresses and adds a member; each of the wishes may be NULL. */
struct member_want {
	const char *id, *ip4, *ip6, *mac;
	bool as_it_was; /* of one that runs: what it has no IPv6 address of, it doesn't get */
	int bridge;	/* where its link is now: there it stays, if that is the network's */
};
/* An annex that it finds no room without is new and yet to be made. */
int network_join(struct network *n, const char *engine, const struct member_want *want,
	struct member **ret, struct err *e);
void network_leave(struct network *n, struct member *m);
