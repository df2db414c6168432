/* SPDX-License-Identifier: MIT */
/*
 * Which subnets a network gets: as asked, as its bridge already has, or the first that nothing on
 * the host overlaps.
 */
#pragma once

#include "host.h"

/* text: what was asked for, or NULL. ifindex: the network's bridge when it exists, else 0. in_use:
 * containers are on it, so that it can't change (-EBUSY). */
int subnet_choose4(const struct host *h, int ifindex, bool in_use, const char *text,
	struct cidr4 *ret, struct err *e);
int subnet_choose6(const struct host *h, int ifindex, bool in_use, const char *text,
	struct cidr6 *ret, struct err *e);
