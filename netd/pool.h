/* SPDX-License-Identifier: MIT */
/*
 * The addresses of one IPv4 subnet: which are in use. The subnet's own address, its broadcast
 * address and its first host address (the gateway) are never handed out. Addresses given back are
 * handed out again as late as possible, so that what the neighbours remember of them has expired.
 */
#pragma once

#include "cidr.h"

#define POOL_LEN_MIN 16 /* 65536 addresses: 8 KiB of bitmap */
#define POOL_LEN_MAX 29 /* room for five containers */

struct pool;

/* -EINVAL with a sentence when the subnet is too large or too small. */
int pool_new(struct cidr4 subnet, struct pool **ret, struct err *e);
void pool_free(struct pool *p); /* NULL is fine */

uint32_t pool_gateway(const struct pool *p);

/* Any free address; -EADDRNOTAVAIL when all are in use. */
int pool_take(struct pool *p, uint32_t *ret, struct err *e);

/* This very address, which says nothing of where the next search begins; -EINVAL when it lies
 * outside or isn't for containers, -EADDRINUSE when it is in use. */
int pool_claim(struct pool *p, uint32_t ip, struct err *e);

/* The next search begins behind this address, as if it had been taken just now. */
void pool_go_on(struct pool *p, uint32_t ip);

void pool_release(struct pool *p, uint32_t ip); /* also when it wasn't in use */

unsigned int pool_used(const struct pool *p);
