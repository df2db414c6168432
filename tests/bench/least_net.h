/* SPDX-License-Identifier: MIT */
/* The network half of the least-work program: one veth, by rtnetlink. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* In the host: a veth NAME, up, on BRIDGE; its peer is eth0 in PID's network namespace. 0 or -1. */
int net_outside(const char *bridge, const char *name, pid_t pid);

/* In the container: lo and eth0 up, an IPv4 and an IPv6 address made from `host`, and default
 * routes. 0 or -1. */
int net_inside(uint32_t host);
