/* SPDX-License-Identifier: MIT */
/*
 * The book of published ports: which port of the host goes to which container. A row is an element
 * of one of the firewall's maps; where the port isn't below the host's unprivileged range, a bound
 * socket keeps other programs from taking it meanwhile. That socket never receives anything:
 * packets are redirected before.
 */
#pragma once

#include "messages.h"
#include "network.h"

struct published {
	struct published *next;
	char container[NAMES_ID_MAX + 1];
	int family; /* AF_INET or AF_INET6 */
	bool any;   /* on every address of the family */
	bool udp;
	uint32_t host4, to4;
	struct in6_addr host6, to6;
	uint16_t host_port, to_port;
	int hold; /* -1: none */
};

/* Resolves what a container asks for into fresh rows, ports chosen and held. -EADDRINUSE names the
 * port and who has it, -EADDRNOTAVAIL an address that isn't the host's, -EINVAL what is wrong. */
int ports_resolve(const struct published *book, const struct port *want, uint32_t n,
	const char *default_ip, const struct member *m, struct published **ret, struct err *e);

/* Rows as a container has them by now: nothing is chosen, nobody is asked, none is held. -EINVAL
 * when one is not whole. */
int ports_restore(const struct port *had, uint32_t n, const struct member *m,
	struct published **ret, struct err *e);

/* The same port to the same container. */
bool ports_same(const struct published *a, const struct published *b);
/* Who of the book has the port; NULL: nobody. */
const struct published *ports_owner(const struct published *book, const struct published *want);

void ports_free(struct published *rows); /* lets go of the ports, too */

/* Moves all rows of a container out of the book; puts rows into it. */
struct published *ports_take(struct published **book, const char *container);
void ports_append(struct published **book, struct published *rows);

/* Takes the port of a row that was there before netd was, as far as that is possible. False:
 * another program has taken it meanwhile, and gets nothing by it. */
bool ports_hold_again(struct published *p);

/* "127.0.0.1:8080/tcp" */
#define PORTS_TEXT_MAX (INET6_ADDRSTRLEN + 16)
const char *ports_format(const struct published *p, char buf[PORTS_TEXT_MAX]);
/* The host's address alone; 0.0.0.0 or :: for any. */
const char *ports_host(const struct published *p, char buf[INET6_ADDRSTRLEN]);
