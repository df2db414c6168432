/* SPDX-License-Identifier: MIT */
/*
 * Who listens on the host: the kernel's list of sockets (sock_diag(7)). Needs no privilege.
 */
#pragma once

#include "ports.h"

/* Would a program that listens, or has a UDP socket, be cut off by publishing this port? */
int diag_port_used(const struct published *p, bool *ret, struct err *e);
