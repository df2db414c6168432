/* SPDX-License-Identifier: MIT */
/*
 * Connection tracking: a UDP flow that was redirected to a container goes on to its address as long
 * as the client sends, also after the port has gone to another container. So flows are forgotten
 * with their ports.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "base/err.h"

/* Forgets every UDP flow that is answered by these addresses. 0 also when there is none. */
int flows_forget_udp(uint32_t ip4, const struct in6_addr *ip6, struct err *e);
