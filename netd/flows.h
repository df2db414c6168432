/* SPDX-License-Identifier: MIT */
/*
 * Connection tracking: where a UDP flow goes is decided by its first datagram, for as long as the
 * client sends: to a container that the port was redirected to, also after another one has it; or
 * to the host itself, also after a container has got the port. So flows are forgotten with their
 * ports, and again when a port is published.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "base/err.h"
#include "ports.h"

/* Forgets every UDP flow that is answered by these addresses. 0 also when there is none. */
int flows_forget_from(uint32_t ip4, const struct in6_addr *ip6, struct err *e);
/* Forgets every UDP flow to one of these ports of the host that is not redirected. Likewise. */
int flows_forget_to(const struct published *rows, struct err *e);
