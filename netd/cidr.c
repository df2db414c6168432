/* SPDX-License-Identifier: MIT */
/*
 * Addresses and subnets as values. Owns nothing. Its text comes from users by way of the
 * supervisor, and is not trusted. Used by netd.
 */
#include "cidr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

static uint32_t mask4(unsigned int len)
{
	return len ? UINT32_MAX << (32 - len) : 0;
}

struct cidr4 cidr4_around(uint32_t ip, unsigned int len)
{
	return (struct cidr4){ip & mask4(len), len};
}

struct cidr6 cidr6_around(const struct in6_addr *ip, unsigned int len)
{
	struct cidr6 c = {*ip, len};

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = len > i * 8 ? MIN(len - i * 8, 8U) : 0;

		c.base.s6_addr[i] &= (uint8_t)(0xff00U >> keep);
	}
	return c;
}

/* Splits "ADDRESS/LENGTH" into buf and *ret_len. */
static int split(const char *text, char *buf, size_t size, uint32_t max_len, uint32_t *ret_len)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : 0;

	if (!n || n >= size)
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return num_parse_u32(slash + 1, 0, max_len, ret_len);
}

int cidr4_parse(const char *text, struct cidr4 *ret, struct err *e)
{
	char addr[INET_ADDRSTRLEN], meant[CIDR_TEXT_MAX];
	uint32_t len, ip = 0;

	if (split(text, addr, sizeof(addr), 32, &len) < 0 || ip4_parse(addr, &ip, NULL) < 0)
		return err_set(e, EINVAL, "subnet '%s' is not of the form 172.20.0.0/16", text);
	*ret = cidr4_around(ip, len);
	if (ret->base != ip)
		return err_set(e, EINVAL,
			"subnet %s has bits set behind its prefix: %s is the subnet", text,
			cidr4_format(*ret, meant));
	return 0;
}

int cidr6_parse(const char *text, struct cidr6 *ret, struct err *e)
{
	char addr[INET6_ADDRSTRLEN], meant[CIDR_TEXT_MAX];
	struct in6_addr ip;
	uint32_t len;

	if (split(text, addr, sizeof(addr), 128, &len) < 0 || ip6_parse(addr, &ip, NULL) < 0)
		return err_set(e, EINVAL, "subnet '%s' is not of the form fd00:1:2::/64", text);
	*ret = cidr6_around(&ip, len);
	if (memcmp(&ret->base, &ip, sizeof(ip)) != 0)
		return err_set(e, EINVAL,
			"subnet %s has bits set behind its prefix: %s is the subnet", text,
			cidr6_format(ret, meant));
	return 0;
}

const char *cidr4_format(struct cidr4 c, char buf[CIDR_TEXT_MAX])
{
	char ip[INET_ADDRSTRLEN];

	snprintf(buf, CIDR_TEXT_MAX, "%s/%u", ip4_format(c.base, ip), c.len);
	return buf;
}

const char *cidr6_format(const struct cidr6 *c, char buf[CIDR_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN];

	snprintf(buf, CIDR_TEXT_MAX, "%s/%u", ip6_format(&c->base, ip), c->len);
	return buf;
}

bool cidr4_contains(struct cidr4 c, uint32_t ip)
{
	return (ip & mask4(c.len)) == c.base;
}

bool cidr4_overlaps(struct cidr4 a, struct cidr4 b)
{
	return cidr4_contains(a, b.base) || cidr4_contains(b, a.base);
}

bool cidr6_contains(const struct cidr6 *c, const struct in6_addr *ip)
{
	struct cidr6 around = cidr6_around(ip, c->len);

	return memcmp(&around.base, &c->base, sizeof(c->base)) == 0;
}

bool cidr6_overlaps(const struct cidr6 *a, const struct cidr6 *b)
{
	return cidr6_contains(a, &b->base) || cidr6_contains(b, &a->base);
}

uint32_t cidr4_last(struct cidr4 c)
{
	return c.base | ~mask4(c.len);
}

struct in6_addr cidr6_nth(const struct cidr6 *c, uint32_t n)
{
	struct in6_addr ip = c->base;

	for (unsigned int i = 0; i < 4; i++)
		ip.s6_addr[12 + i] |= (uint8_t)(n >> (24 - 8 * i));
	return ip;
}

int ip4_parse(const char *text, uint32_t *ret, struct err *e)
{
	struct in_addr in;

	/* glibc's inet_pton takes exactly four decimal numbers, without leading zeros. */
	if (inet_pton(AF_INET, text, &in) != 1)
		return err_set(e, EINVAL, "'%s' is not an IPv4 address", text);
	*ret = ntohl(in.s_addr);
	return 0;
}

int ip6_parse(const char *text, struct in6_addr *ret, struct err *e)
{
	if (inet_pton(AF_INET6, text, ret) != 1)
		return err_set(e, EINVAL, "'%s' is not an IPv6 address", text);
	return 0;
}

const char *ip4_format(uint32_t ip, char buf[INET_ADDRSTRLEN])
{
	struct in_addr in = {htonl(ip)};

	return inet_ntop(AF_INET, &in, buf, INET_ADDRSTRLEN);
}

const char *ip6_format(const struct in6_addr *ip, char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(AF_INET6, ip, buf, INET6_ADDRSTRLEN);
}

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

int mac_parse(const char *text, uint8_t ret[6], struct err *e)
{
	static const uint8_t zero[6];

	if (strlen(text) != MAC_TEXT_MAX - 1)
		return err_set(e, EINVAL, "'%s' is not a MAC address", text);
	for (int i = 0; i < 6; i++) {
		int hi = hex_digit(text[3 * i]), lo = hex_digit(text[3 * i + 1]);

		if (hi < 0 || lo < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return err_set(e, EINVAL, "'%s' is not a MAC address", text);
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	if (ret[0] & 1 || memcmp(ret, zero, 6) == 0)
		return err_set(e, EINVAL,
			"MAC address %s is not one host's: a unicast one is needed", text);
	return 0;
}

const char *mac_format(const uint8_t mac[6], char buf[MAC_TEXT_MAX])
{
	snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5]);
	return buf;
}

void mac_from_ip4(uint32_t ip, uint8_t ret[6])
{
	ret[0] = 0x02;
	ret[1] = 0x42;
	for (int i = 0; i < 4; i++)
		ret[2 + i] = (uint8_t)(ip >> (24 - 8 * i));
}
