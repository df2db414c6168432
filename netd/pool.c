/* SPDX-License-Identifier: MIT */
/*
 * The address pool of one network: a bitmap and a cursor. Lives in netd, is rebuilt from the links'
 * aliases when netd starts.
 */
#include "pool.h"

#include <errno.h>

struct pool {
	struct cidr4 subnet;
	uint32_t size; /* addresses, reserved ones included */
	uint32_t next; /* where the next search begins */
	unsigned int used;
	uint64_t bits[];
};

static bool bit(const struct pool *p, uint32_t n)
{
	return p->bits[n / 64] >> (n % 64) & 1;
}

static void set_bit(struct pool *p, uint32_t n)
{
	p->bits[n / 64] |= 1ULL << (n % 64);
	p->used++;
}

int pool_new(struct cidr4 subnet, struct pool **ret, struct err *e)
{
	char text[CIDR_TEXT_MAX];
	uint32_t size;
	struct pool *p;

	if (subnet.len < POOL_LEN_MIN || subnet.len > POOL_LEN_MAX)
		return err_set(e, EINVAL, "subnet %s: a network must be between /%d and /%d",
			cidr4_format(subnet, text), POOL_LEN_MIN, POOL_LEN_MAX);
	size = 1U << (32 - subnet.len);
	p = calloc(1, sizeof(*p) + (size + 63) / 64 * sizeof(p->bits[0]));
	if (!p)
		return err_errno(e, ENOMEM, "address pool");
	p->subnet = subnet;
	p->size = size;
	p->next = 2;
	*ret = p;
	return 0;
}

void pool_free(struct pool *p)
{
	free(p);
}

uint32_t pool_gateway(const struct pool *p)
{
	return p->subnet.base + 1;
}

int pool_take(struct pool *p, uint32_t *ret, struct err *e)
{
	char text[CIDR_TEXT_MAX];

	for (uint32_t i = 0; i < p->size; i++) {
		uint32_t n = (p->next + i) % p->size;

		if (n < 2 || n == p->size - 1 || bit(p, n))
			continue;
		set_bit(p, n);
		p->next = n + 1;
		*ret = p->subnet.base + n;
		return 0;
	}
	return err_set(e, EADDRNOTAVAIL, "all %u addresses of %s are in use", p->used,
		cidr4_format(p->subnet, text));
}

int pool_claim(struct pool *p, uint32_t ip, struct err *e)
{
	char text[CIDR_TEXT_MAX], addr[INET_ADDRSTRLEN];
	uint32_t n = ip - p->subnet.base;

	if (!cidr4_contains(p->subnet, ip))
		return err_set(e, EINVAL, "address %s is outside the network's subnet %s",
			ip4_format(ip, addr), cidr4_format(p->subnet, text));
	if (n < 2 || n == p->size - 1)
		return err_set(e, EINVAL, "address %s is reserved in subnet %s",
			ip4_format(ip, addr), cidr4_format(p->subnet, text));
	if (bit(p, n))
		return err_set(e, EADDRINUSE, "address %s is already in use", ip4_format(ip, addr));
	set_bit(p, n);
	return 0;
}

void pool_go_on(struct pool *p, uint32_t ip)
{
	if (cidr4_contains(p->subnet, ip))
		p->next = ip - p->subnet.base + 1;
}

void pool_release(struct pool *p, uint32_t ip)
{
	uint32_t n = ip - p->subnet.base;

	if (!cidr4_contains(p->subnet, ip) || !bit(p, n))
		return;
	p->bits[n / 64] &= ~(1ULL << (n % 64));
	p->used--;
}

unsigned int pool_used(const struct pool *p)
{
	return p->used;
}
