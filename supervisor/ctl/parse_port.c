/* SPDX-License-Identifier: MIT */
/*
 * Published ports, addresses and networks from the command line; see parse.h.
 */
#include "parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/util.h"
#include "flags.h"

static bool is_address(int family, const char *s)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(family, s, buf) == 1;
}

int check_ip4(const char *s, struct err *e)
{
	return is_address(AF_INET, s) ? 0 : err_set(e, EINVAL, "\"%.64s\" is no IPv4 address", s);
}

int check_ip6(const char *s, struct err *e)
{
	return is_address(AF_INET6, s) ? 0 : err_set(e, EINVAL, "\"%.64s\" is no IPv6 address", s);
}

int check_ip(const char *s, struct err *e)
{
	if (is_address(AF_INET, s) || is_address(AF_INET6, s))
		return 0;
	return err_set(e, EINVAL, "\"%.64s\" is no address", s);
}

int check_mac(const char *s, struct err *e)
{
	unsigned int b[6];
	int n = 0;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &n) !=
			6 ||
		n != 17 || s[17] || strspn(s, "0123456789abcdefABCDEF:") != 17)
		return err_set(e, EINVAL, "\"%.32s\" is no MAC address", s);
	if (b[0] & 1)
		return err_set(
			e, EINVAL, "\"%.32s\" is a group's MAC address, not one interface's", s);
	return 0;
}

int check_add_host(const char *s, struct err *e)
{
	size_t n = strcspn(s, ":=");
	char host[64];

	snprintf(host, sizeof(host), "%.*s", (int)MIN(n, sizeof(host) - 1), s);
	if (n == 0 || n >= sizeof(host) || !s[n] || check_hostname(host, NULL) < 0)
		return err_set(e, EINVAL, "\"%.64s\" is no name:address", s);
	if (strcmp(s + n + 1, "host-gateway") == 0)
		return 0;
	return check_ip(s + n + 1, e);
}

int check_network(const char *s, struct err *e)
{
	static const char *const known[] = {"bridge", "none", "host"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(s, known[i]) == 0)
			return 0;
	if (strncmp(s, "container:", 10) == 0)
		return err_set(e, EINVAL, "another container's network is not supported yet");
	return err_set(e, EINVAL, "unknown network \"%.64s\": there are bridge, none and host", s);
}

struct range {
	uint32_t first, count;
};

/* 80 or 80-82; cuts s up. */
static int parse_range(char *s, uint32_t min, struct range *ret)
{
	char *last = strchr(s, '-');
	uint32_t end;

	if (last)
		*last++ = '\0';
	if (num_parse_u32(s, min, 65535, &ret->first) < 0)
		return -EINVAL;
	ret->count = 1;
	if (!last)
		return 0;
	if (ret->first == 0 || num_parse_u32(last, ret->first, 65535, &end) < 0)
		return -EINVAL;
	ret->count = end - ret->first + 1;
	return 0;
}

struct publish {
	const char *ip; /* NULL: the engine's default */
	const char *proto;
	struct range host, container;
};

static int bad_publish(const char *s, const char *why, struct err *e)
{
	return err_set(e, EINVAL, "invalid port \"%.80s\": %s", s, why);
}

/* Cuts "/proto" off the copy. */
static int split_proto(char *copy, const char *s, struct publish *p, struct err *e)
{
	char *slash = strchr(copy, '/');

	p->proto = "tcp";
	if (!slash)
		return 0;
	*slash++ = '\0';
	if (strcasecmp(slash, "udp") == 0)
		p->proto = "udp";
	else if (strcasecmp(slash, "tcp") != 0)
		return bad_publish(s, "the protocol is tcp or udp", e);
	return 0;
}

/* Cuts an address off the front, a.b.c.d: or [v6]: ; returns what follows, NULL if it is bad. */
static char *split_ip(char *copy, const char *s, struct publish *p, struct err *e)
{
	bool v6 = copy[0] == '[';
	char *end = strchr(copy, v6 ? ']' : ':');

	if (v6 && (!end || end[1] != ':')) {
		bad_publish(s, "the address needs a ] and a :", e);
		return NULL;
	}
	if (!v6 && (!end || !strchr(end + 1, ':')))
		return copy;
	*end = '\0';
	if (v6 || end > copy) {
		p->ip = copy + v6;
		if (!is_address(v6 ? AF_INET6 : AF_INET, p->ip)) {
			bad_publish(s, "the address is none (IPv6 stands in [ ])", e);
			return NULL;
		}
	}
	return end + 1 + v6;
}

static int split_ports(char *rest, const char *s, struct publish *p, struct err *e)
{
	char *colon = strchr(rest, ':');
	char *container = colon ? colon + 1 : rest;

	if (colon)
		*colon = '\0';
	if (parse_range(container, 1, &p->container) < 0)
		return bad_publish(s, "the container's port is 1 to 65535", e);
	p->host = (struct range){0, p->container.count};
	if (!colon || !*rest)
		return 0;
	if (parse_range(rest, 0, &p->host) < 0)
		return bad_publish(s, "the host's port is 0 to 65535", e);
	if (p->host.count != p->container.count)
		return bad_publish(s, "the two ranges differ in length", e);
	return 0;
}

static int add_port(const struct publish *p, uint32_t i, struct arena *a, struct port_list *list)
{
	struct port *port = list_append(a, list, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->host_ip = p->ip;
	port->host_port = p->host.first ? p->host.first + i : 0;
	port->container_port = p->container.first + i;
	port->proto = p->proto;
	return 0;
}

static bool same_host_port(const struct port *x, const struct port *y)
{
	const char *xi = x->host_ip ? x->host_ip : "", *yi = y->host_ip ? y->host_ip : "";

	return x->host_port && x->host_port == y->host_port && strcmp(x->proto, y->proto) == 0 &&
	       strcmp(xi, yi) == 0;
}

static int check_twice(const struct port_list *list, const char *s, struct err *e)
{
	const struct port *last = &list->v[list->n - 1];

	for (uint32_t i = 0; i + 1 < list->n; i++)
		if (same_host_port(&list->v[i], last))
			return bad_publish(s, "this host port is published twice", e);
	return 0;
}

int parse_publish(const char *s, struct arena *a, struct port_list *list, struct err *e)
{
	struct publish p = {0};
	char *copy = arena_strdup(a, s), *rest;

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	if (split_proto(copy, s, &p, e) < 0)
		return -EINVAL;
	rest = split_ip(copy, s, &p, e);
	if (!rest || split_ports(rest, s, &p, e) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < p.container.count; i++) {
		if (list->n >= 256)
			return bad_publish(s, "at most 256 ports can be published", e);
		if (add_port(&p, i, a, list) < 0)
			return err_set(e, ENOMEM, "out of memory");
		if (check_twice(list, s, e) < 0)
			return -EINVAL;
	}
	return 0;
}

int check_publish(const char *s, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct port_list list = {0};

	return parse_publish(s, &a, &list, e);
}
