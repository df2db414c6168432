/* SPDX-License-Identifier: MIT */
/*
 * The choice of subnets. Runs in netd; reads a snapshot of the host and changes nothing.
 */
#include "subnet.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "pool.h"

#define SUBNET6_LEN_MIN 48
#define SUBNET6_LEN_MAX 112 /* the low bits number the containers as in IPv4 */

/* Tried in order: /16 below 172.16.0.0/12 (but the first, where docker is at home), then /24 below
 * 192.168.0.0/16 from the top down to what home routers use, then /16 below 10.0.0.0/8 from the
 * top. */
static bool candidate(unsigned int i, struct cidr4 *ret)
{
	if (i < 12)
		*ret = (struct cidr4){0xac140000 + (i << 16), 16};
	else if (i < 12 + 190)
		*ret = (struct cidr4){0xc0a8fe00 - ((i - 12) << 8), 24};
	else if (i < 12 + 190 + 200)
		*ret = (struct cidr4){0x0afe0000 - ((i - 12 - 190) << 16), 16};
	else
		return false;
	return true;
}

static int check4(struct cidr4 c, const char *text, struct err *e)
{
	uint32_t first = c.base >> 24;

	if (first == 0 || first == 127 || first >= 224)
		return err_set(e, EINVAL, "subnet %s is not for hosts", text);
	if (c.len < POOL_LEN_MIN || c.len > POOL_LEN_MAX)
		return err_set(e, EINVAL, "subnet %s: a network must be between /%d and /%d", text,
			POOL_LEN_MIN, POOL_LEN_MAX);
	return 0;
}

/* The bridge's own subnet; where containers are on it, the one that they are in. */
static bool has4(const struct host *h, const struct subnet_now *now, struct cidr4 *ret)
{
	unsigned int len;
	uint32_t ip;

	if (!now->ifindex || !host_addr4(h, now->ifindex, now->ip4, &ip, &len) ||
		len < POOL_LEN_MIN || len > POOL_LEN_MAX)
		return false;
	*ret = cidr4_around(ip, len);
	return true;
}

int subnet_choose4(const struct host *h, const struct subnet_now *now, const char *text,
	struct cidr4 *ret, struct err *e)
{
	char has_text[CIDR_TEXT_MAX];
	struct cidr4 is, want;
	bool has = has4(h, now, &is);
	int r;

	if (text) {
		r = cidr4_parse(text, &want, e);
		if (r == 0)
			r = check4(want, text, e);
		if (r < 0)
			return r;
		if (has && now->in_use && (is.base != want.base || is.len != want.len))
			return err_set(e, EBUSY, "subnet %s: containers are still on %s", text,
				cidr4_format(is, has_text));
		*ret = want;
		return host_free4(h, now->ifindex, want, e);
	}
	if (has) {
		*ret = is;
		return 0;
	}
	for (unsigned int i = 0; candidate(i, ret); i++)
		if (host_free4(h, now->ifindex, *ret, NULL) == 0)
			return 0;
	return err_set(e, EADDRNOTAVAIL, "no private IPv4 subnet is free on this host: name one");
}

static int check6(const struct cidr6 *c, const char *text, struct err *e)
{
	uint8_t first = c->base.s6_addr[0];

	if (c->len < SUBNET6_LEN_MIN || c->len > SUBNET6_LEN_MAX)
		return err_set(e, EINVAL, "subnet %s: a network must be between /%d and /%d", text,
			SUBNET6_LEN_MIN, SUBNET6_LEN_MAX);
	/* Unique local (fc00::/7) and global unicast (2000::/3). */
	if ((first & 0xfe) != 0xfc && (first & 0xe0) != 0x20)
		return err_set(e, EINVAL, "subnet %s is not for hosts", text);
	return 0;
}

/* RFC 4193: fd, 40 random bits, subnet 0. */
static int random_ula(struct cidr6 *ret, struct err *e)
{
	*ret = (struct cidr6){.len = 64};
	ret->base.s6_addr[0] = 0xfd;
	if (getrandom(&ret->base.s6_addr[1], 5, 0) != 5)
		return err_errno(e, errno, "random numbers");
	return 0;
}

static bool has6(const struct host *h, const struct subnet_now *now, struct cidr6 *ret)
{
	const struct in6_addr *near = IN6_IS_ADDR_UNSPECIFIED(&now->ip6) ? NULL : &now->ip6;
	struct in6_addr ip;
	unsigned int len;

	if (!now->ifindex || !host_addr6(h, now->ifindex, near, &ip, &len) || len > SUBNET6_LEN_MAX)
		return false;
	*ret = cidr6_around(&ip, len);
	return true;
}

int subnet_choose6(const struct host *h, const struct subnet_now *now, const char *text,
	struct cidr6 *ret, struct err *e)
{
	char has_text[CIDR_TEXT_MAX];
	struct cidr6 is, want;
	bool has = has6(h, now, &is);
	int r;

	if (text) {
		r = cidr6_parse(text, &want, e);
		if (r == 0)
			r = check6(&want, text, e);
		if (r < 0)
			return r;
		if (has && now->in_use &&
			(is.len != want.len || memcmp(&is.base, &want.base, 16) != 0))
			return err_set(e, EBUSY, "subnet %s: containers are still on %s", text,
				cidr6_format(&is, has_text));
		*ret = want;
		return host_free6(h, now->ifindex, &want, e);
	}
	if (has) {
		*ret = is;
		return 0;
	}
	do
		r = random_ula(ret, e);
	while (r == 0 && host_free6(h, now->ifindex, ret, NULL) < 0);
	return r;
}
