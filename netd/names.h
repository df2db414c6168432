/* SPDX-License-Identifier: MIT */
/*
 * How netd's links are named, and the alias by which it knows them again:
 *
 *	bulkhead:ENGINE:network:NETWORK         a bridge
 *	bulkhead:ENGINE:network:NETWORK:N:PART  of its N-th annex the bridge, down and up
 *	bulkhead:ENGINE:CONTAINER:IP4:MAC:IP6   the host's end of a container's link; MAC: 12 digits
 *
 * Names are the same in every run: that is how leftovers are found. Two different things whose
 *names collide differ in their aliases.
 */
#pragma once

#include <net/if.h>

#include "cidr.h"

#define NAMES_ID_MAX	      64
#define NAMES_ALIAS_MAX	      256 /* IFALIASZ */
#define NAMES_DEFAULT_NETWORK "bridge"

/* Of containers and networks: letters, digits, '_', '.', '-'; nothing that means something to nft
 * or in an alias. -EINVAL with a sentence that starts with `what`. */
int names_check(const char *what, const char *id, struct err *e);

/* "bulkhead0" for the default network of the engine "bulkhead". */
void names_bridge(const char *engine, const char *network, char ret[IFNAMSIZ]);
/* "bh" and the first ten digits of a container's id. */
void names_link(const char *engine, const char *network, const char *container, char ret[IFNAMSIZ]);
/* "bh" and a hash: where the id isn't hex, the network isn't the default one, or the name is taken.
 * names_link falls back to it for the first two. */
void names_link_hashed(
	const char *engine, const char *network, const char *container, char ret[IFNAMSIZ]);

/* Could names_link or names_link_hashed have given that name? */
bool names_is_link(const char *name);

void names_bridge_alias(const char *engine, const char *network, char ret[NAMES_ALIAS_MAX]);
void names_link_alias(const char *engine, const char *container, uint32_t ip4,
	const struct in6_addr *ip6, const uint8_t mac[6], char ret[NAMES_ALIAS_MAX]);

/* Reads a link's alias back; false when it isn't one of this engine's. alias may be NULL. */
bool names_parse_link_alias(const char *engine, const char *alias,
	char ret_container[NAMES_ID_MAX + 1], uint32_t *ret_ip4, struct in6_addr *ret_ip6,
	uint8_t ret_mac[6]);

/* part: "bridge", "down" or "up" of the network's annex of that number, counted from 1. */
void names_annex(const char *engine, const char *network, unsigned int number, const char *part,
	char ret[IFNAMSIZ]);
void names_annex_alias(const char *engine, const char *network, unsigned int number,
	const char *part, char ret[NAMES_ALIAS_MAX]);
/* The number; 0 when it isn't the alias of such a part. alias may be NULL. */
unsigned int names_parse_annex_alias(
	const char *engine, const char *network, const char *alias, const char *part);

/* 02:42 is for containers; bridges get 02:62 and a hash, the same in every run. */
void names_bridge_mac(const char *engine, const char *network, uint8_t ret[6]);
