/* SPDX-License-Identifier: MIT */
/*
 * Which subnets a network gets: as asked, as its bridge already has, or the first that nothing on
 * the host overlaps.
 */
#pragma once

#include "host.h"

/* What is there by now. */
struct subnet_now {
	int ifindex;  /* the network's bridge; 0: there is none yet */
	bool in_use;  /* something is on it: its subnets can't change (-EBUSY) */
	uint32_t ip4; /* addresses of one container on it; 0 and :: when not known */
	struct in6_addr ip6;
};

/* text: what was asked for, or NULL. */
int subnet_choose4(const struct host *h, const struct subnet_now *now, const char *text,
	struct cidr4 *ret, struct err *e);
int subnet_choose6(const struct host *h, const struct subnet_now *now, const char *text,
	struct cidr6 *ret, struct err *e);
