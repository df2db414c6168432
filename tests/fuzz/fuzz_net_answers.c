/* SPDX-License-Identifier: MIT */
/*
 * What netd reads back from the kernel, where any network administrator of the host may have
 * written it: a map's listing by libnftables, a link's alias. It is passed over, or read as what
 * netd itself writes. The first byte chooses.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_mutator.h"
#include "netd/fw_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* As fw.c would write the element again, read once more. */
static void check_row(const struct published *p, bool six, bool any)
{
	char host[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], text[1024];
	struct published *again = NULL;

	check(p->family == (six ? AF_INET6 : AF_INET) && p->any == any && p->hold == -1);
	check(names_check("container", p->container, NULL) == 0);
	if (six)
		ip6_format(&p->to6, to);
	else
		ip4_format(p->to4, to);
	snprintf(text, sizeof(text),
		"{\"nftables\":[{\"map\":{\"elem\":[[{\"elem\":{\"val\":{\"concat\":[%s%s%s%d,%u]},"
		"\"comment\":\"%s\"}},{\"concat\":[\"%s\",%u]}]]}}]}",
		any ? "" : "\"", any ? "" : ports_host(p, host), any ? "" : "\",",
		p->udp ? IPPROTO_UDP : IPPROTO_TCP, p->host_port, p->container, to, p->to_port);
	check(fw_json_read(text, six, any, &again, NULL) == 0 && again && !again->next);
	check(memcmp(&p->host6, &again->host6, sizeof(p->host6)) == 0 &&
		memcmp(&p->to6, &again->to6, sizeof(p->to6)) == 0 && p->host4 == again->host4 &&
		p->to4 == again->to4 && p->host_port == again->host_port &&
		p->to_port == again->to_port && p->udp == again->udp);
	check(p->host_port > 0 && p->to_port > 0);
	ports_free(again);
}

static void try_listing(const char *text, bool six, bool any)
{
	struct published *rows = NULL;

	(void)fw_json_read(text, six, any, &rows, NULL);
	for (const struct published *p = rows; p; p = p->next)
		check_row(p, six, any);
	ports_free(rows);
}

static void try_alias(const char *text)
{
	char container[NAMES_ID_MAX + 1], again[NAMES_ALIAS_MAX], second[NAMES_ID_MAX + 1];
	struct in6_addr ip6, other6;
	uint8_t mac[6], other_mac[6];
	uint32_t ip4, other4;

	if (!names_parse_link_alias("e", text, container, &ip4, &ip6, mac))
		return;
	check(names_check("container", container, NULL) == 0);
	names_link_alias("e", container, ip4, &ip6, mac, again);
	check(names_parse_link_alias("e", again, second, &other4, &other6, other_mac));
	check(strcmp(container, second) == 0 && ip4 == other4 &&
		memcmp(&ip6, &other6, sizeof(ip6)) == 0 && memcmp(mac, other_mac, 6) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size);
	check(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % 5 == 4)
		try_alias(text);
	else
		try_listing(text, data[0] % 5 >= 2, data[0] % 5 % 2);
	free(text);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const char *const words[] = {"nftables", "map", "elem", "val", "concat", "comment",
		"tcp", "udp", "sctp", "127.0.0.1", "10.0.0.2", "0.0.0.0", "::1", "fd00::2",
		"::", "web", "0123456789ab", "a b", "\"", "", NULL};

	return json_mutate(data, size, max, seed, 1, words);
}
