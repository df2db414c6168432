/* SPDX-License-Identifier: MIT */
/*
 * Ports in docker's words; see ports.h.
 */
#include "ports.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static int compare(const void *a, const void *b)
{
	const struct port *x = a, *y = b;
	int r = strcmp(x->proto, y->proto);

	if (r == 0)
		r = strcmp(x->host_ip ? x->host_ip : "", y->host_ip ? y->host_ip : "");
	if (r == 0)
		r = (x->container_port > y->container_port) -
		    (x->container_port < y->container_port);
	return r ? r : (x->host_port > y->host_port) - (x->host_port < y->host_port);
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool is_next(const struct port *a, const struct port *b)
{
	return strcmp(a->proto, b->proto) == 0 && same_text(a->host_ip, b->host_ip) &&
	       b->container_port == a->container_port + 1 &&
	       (a->host_port ? b->host_port == a->host_port + 1 : !b->host_port);
}

static void put_host(FILE *f, const struct port *p)
{
	bool v6 = p->host_ip && strchr(p->host_ip, ':');

	if (p->host_ip)
		fprintf(f, "%s%s%s:", v6 ? "[" : "", p->host_ip, v6 ? "]" : "");
}

static void put_range(FILE *f, uint32_t first, uint32_t last)
{
	fprintf(f, "%" PRIu32, first);
	if (last > first)
		fprintf(f, "-%" PRIu32, last);
}

static void put_ports(FILE *f, const struct port *first, const struct port *last)
{
	if (first->host_port) {
		put_host(f, first);
		put_range(f, first->host_port, last->host_port);
		fputs("->", f);
	}
	put_range(f, first->container_port, last->container_port);
	fprintf(f, "/%s", first->proto);
}

static struct port *sorted(
	const struct port_list *ports, int (*order)(const void *a, const void *b))
{
	struct port *v = malloc((ports->n + 1) * sizeof(*v));

	if (v && ports->n > 0)
		memcpy(v, ports->v, ports->n * sizeof(*v));
	if (v)
		qsort(v, ports->n, sizeof(*v), order);
	return v;
}

char *ports_words(const struct port_list *ports)
{
	_cleanup_free_ struct port *v = sorted(ports, compare);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f && v)
		for (uint32_t i = 0, end; i < ports->n; i = end) {
			for (end = i + 1; end < ports->n && is_next(&v[end - 1], &v[end]); end++)
				;
			fputs(i ? ", " : "", f);
			put_ports(f, &v[i], &v[end - 1]);
		}
	if (f)
		fclose(f);
	return text;
}

static int by_number(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	return x->container_port != y->container_port
		       ? (x->container_port > y->container_port ? 1 : -1)
		       : compare(a, b);
}

char *ports_lines(const struct port_list *ports, const struct port *one)
{
	_cleanup_free_ struct port *v = sorted(ports, by_number);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (uint32_t i = 0; f && v && i < ports->n; i++) {
		if (!v[i].host_port || (one && (v[i].container_port != one->container_port ||
						       strcmp(v[i].proto, one->proto) != 0)))
			continue;
		if (!one)
			fprintf(f, "%" PRIu32 "/%s -> ", v[i].container_port, v[i].proto);
		put_host(f, &v[i]);
		fprintf(f, "%" PRIu32 "\n", v[i].host_port);
	}
	if (f)
		fclose(f);
	return text;
}
