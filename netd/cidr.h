/* SPDX-License-Identifier: MIT */
/*
 * Addresses and subnets: strict text to value and back. IPv4 addresses are uint32_t in host order,
 * so that pools can count; IPv6 addresses are struct in6_addr.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CIDR_TEXT_MAX (INET6_ADDRSTRLEN + 4)

struct cidr4 {
	uint32_t base; /* no bit set beyond len */
	unsigned int len;
};
struct cidr6 {
	struct in6_addr base;
	unsigned int len;
};

/* "172.20.0.0/16". -EINVAL with a sentence; bits behind the prefix are refused, and the subnet that
 * was probably meant is named. */
int cidr4_parse(const char *text, struct cidr4 *ret, struct err *e);
int cidr6_parse(const char *text, struct cidr6 *ret, struct err *e);

const char *cidr4_format(struct cidr4 c, char buf[CIDR_TEXT_MAX]);
const char *cidr6_format(const struct cidr6 *c, char buf[CIDR_TEXT_MAX]);

bool cidr4_contains(struct cidr4 c, uint32_t ip);
bool cidr4_overlaps(struct cidr4 a, struct cidr4 b);
bool cidr6_contains(const struct cidr6 *c, const struct in6_addr *ip);
bool cidr6_overlaps(const struct cidr6 *a, const struct cidr6 *b);

/* The subnet that ip lies in. */
struct cidr4 cidr4_around(uint32_t ip, unsigned int len);
struct cidr6 cidr6_around(const struct in6_addr *ip, unsigned int len);

uint32_t cidr4_last(struct cidr4 c); /* its broadcast address */

/* base + n; n must fit behind the prefix. */
struct in6_addr cidr6_nth(const struct cidr6 *c, uint32_t n);

/* "172.20.0.2"; no leading zeros, nothing behind. */
int ip4_parse(const char *text, uint32_t *ret, struct err *e);
int ip6_parse(const char *text, struct in6_addr *ret, struct err *e);
const char *ip4_format(uint32_t ip, char buf[INET_ADDRSTRLEN]);
const char *ip6_format(const struct in6_addr *ip, char buf[INET6_ADDRSTRLEN]);

/* "02:42:ac:14:00:02", as six bytes. A multicast or all-zero address is refused. */
int mac_parse(const char *text, uint8_t ret[6], struct err *e);
#define MAC_TEXT_MAX 18
const char *mac_format(const uint8_t mac[6], char buf[MAC_TEXT_MAX]);
/* 02:42 and the address: unique on its network without asking anybody. */
void mac_from_ip4(uint32_t ip, uint8_t ret[6]);
