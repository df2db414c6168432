/* SPDX-License-Identifier: MIT */
/*
 * Names and aliases of netd's links. Pure functions. Aliases are read back from the kernel, where
 * any network administrator of the host may have written them: they are parsed strictly.
 */
#include "names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int names_check(const char *what, const char *id, struct err *e)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(id);

	if (n < 1 || n > NAMES_ID_MAX || strspn(id, letters) != n || !isalnum((unsigned char)id[0]))
		return err_set(e, EINVAL,
			"%s '%s' is not a name: 1 to %d letters, digits, '_', '.' or '-'", what, id,
			NAMES_ID_MAX);
	return 0;
}

/* FNV-1a over the words, each with its NUL. */
static uint64_t hash(const char *a, const char *b, const char *c)
{
	const char *words[] = {a, b, c};
	uint64_t h = 0xcbf29ce484222325ULL;

	for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
		for (const char *p = words[i];; p++) {
			h = (h ^ (uint8_t)*p) * 0x100000001b3ULL;
			if (!*p)
				break;
		}
	return h;
}

void names_bridge(const char *engine, const char *network, char ret[IFNAMSIZ])
{
	unsigned long long h = hash("bridge", engine, network);

	if (strcmp(network, NAMES_DEFAULT_NETWORK) == 0 && strlen(engine) < IFNAMSIZ - 1)
		snprintf(ret, IFNAMSIZ, "%.14s0", engine);
	else
		snprintf(ret, IFNAMSIZ, "br-%012llx", h & 0xffffffffffffULL);
}

void names_link_hashed(
	const char *engine, const char *network, const char *container, char ret[IFNAMSIZ])
{
	unsigned long long h = hash(engine, network, container);

	snprintf(ret, IFNAMSIZ, "bh%012llx", h & 0xffffffffffffULL);
}

void names_link(const char *engine, const char *network, const char *container, char ret[IFNAMSIZ])
{
	if (strcmp(network, NAMES_DEFAULT_NETWORK) == 0 &&
		strspn(container, "0123456789abcdef") >= 10)
		snprintf(ret, IFNAMSIZ, "bh%.10s", container);
	else
		names_link_hashed(engine, network, container, ret);
}

bool names_is_link(const char *name)
{
	size_t n = strlen(name);

	return (n == 12 || n == 14) && strncmp(name, "bh", 2) == 0 &&
	       strspn(name + 2, "0123456789abcdef") == n - 2;
}

void names_bridge_alias(const char *engine, const char *network, char ret[NAMES_ALIAS_MAX])
{
	snprintf(ret, NAMES_ALIAS_MAX, "bulkhead:%.64s:network:%.64s", engine, network);
}

void names_link_alias(const char *engine, const char *container, uint32_t ip4,
	const struct in6_addr *ip6, const uint8_t mac[6], char ret[NAMES_ALIAS_MAX])
{
	char a4[INET_ADDRSTRLEN], a6[INET6_ADDRSTRLEN];

	snprintf(ret, NAMES_ALIAS_MAX, "bulkhead:%.64s:%.64s:%s:%02x%02x%02x%02x%02x%02x:%s",
		engine, container, ip4_format(ip4, a4), mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5], ip6_format(ip6, a6));
}

/* Copies what stands before the next ':' and steps over it; false when it doesn't fit or there is
 * none. */
static bool word(const char **at, char *buf, size_t size)
{
	const char *end = strchr(*at, ':');
	size_t n = end ? (size_t)(end - *at) : 0;

	if (!n || n >= size)
		return false;
	memcpy(buf, *at, n);
	buf[n] = '\0';
	*at = end + 1;
	return true;
}

/* Twelve hex digits, as mac_parse wants them: in pairs. */
static bool mac_word(const char *digits, uint8_t ret[6])
{
	char pairs[MAC_TEXT_MAX + 1];

	if (strlen(digits) != 12)
		return false;
	for (int i = 0; i < 6; i++)
		snprintf(&pairs[3 * i], 4, "%.2s%s", &digits[2 * i], i < 5 ? ":" : "");
	return mac_parse(pairs, ret, NULL) == 0;
}

bool names_parse_link_alias(const char *engine, const char *alias,
	char ret_container[NAMES_ID_MAX + 1], uint32_t *ret_ip4, struct in6_addr *ret_ip6,
	uint8_t ret_mac[6])
{
	char ours[NAMES_ID_MAX + 1], ip4[INET_ADDRSTRLEN], mac[16];

	return alias && word(&alias, ours, sizeof(ours)) && strcmp(ours, "bulkhead") == 0 &&
	       word(&alias, ours, sizeof(ours)) && strcmp(ours, engine) == 0 &&
	       word(&alias, ret_container, NAMES_ID_MAX + 1) &&
	       names_check("container", ret_container, NULL) == 0 &&
	       word(&alias, ip4, sizeof(ip4)) && ip4_parse(ip4, ret_ip4, NULL) == 0 &&
	       word(&alias, mac, sizeof(mac)) && mac_word(mac, ret_mac) &&
	       ip6_parse(alias, ret_ip6, NULL) == 0;
}

void names_bridge_mac(const char *engine, const char *network, uint8_t ret[6])
{
	uint64_t h = hash("mac", engine, network);

	ret[0] = 0x02;
	ret[1] = 0x62;
	for (int i = 2; i < 6; i++)
		ret[i] = (uint8_t)(h >> (8 * i));
}

void names_annex(const char *engine, const char *network, unsigned int number, const char *part,
	char ret[IFNAMSIZ])
{
	char one[NAMES_ID_MAX + 16];

	/* No network's name has a '/'. */
	snprintf(one, sizeof(one), "%.64s/%u", network, number);
	snprintf(ret, IFNAMSIZ, "%s%012llx", strcmp(part, "bridge") == 0 ? "br-" : "bj",
		(unsigned long long)hash(part, engine, one) & 0xffffffffffffULL);
}

void names_annex_alias(const char *engine, const char *network, unsigned int number,
	const char *part, char ret[NAMES_ALIAS_MAX])
{
	snprintf(ret, NAMES_ALIAS_MAX, "bulkhead:%.64s:network:%.64s:%u:%s", engine, network,
		number, part);
}

unsigned int names_parse_annex_alias(
	const char *engine, const char *network, const char *alias, const char *part)
{
	char of_network[NAMES_ALIAS_MAX], again[NAMES_ALIAS_MAX];
	unsigned int number;
	size_t n;

	names_bridge_alias(engine, network, of_network);
	n = strlen(of_network);
	if (!alias || strncmp(alias, of_network, n) != 0 || alias[n] != ':')
		return 0;
	number = (unsigned int)strtoul(alias + n + 1, NULL, 10);
	names_annex_alias(engine, network, number, part, again);
	return strcmp(alias, again) == 0 ? number : 0;
}
