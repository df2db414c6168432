/* SPDX-License-Identifier: MIT */
/*
 * The texts of /etc/hosts and /etc/resolv.conf; see resolve.h.
 */
#include "resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 32000

struct text {
	char buf[TEXT_MAX];
	size_t n;
	bool full;
};

static void put(struct text *t, const char *fmt, ...) _printf_(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, sizeof(t->buf) - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(t->buf) - t->n)
		t->full = true;
	else
		t->n += (size_t)n;
}

static int keep(
	const struct text *t, const char *what, struct arena *a, const char **ret, struct err *e)
{
	if (t->full)
		return err_set(e, E2BIG, "%s would be larger than %d bytes", what, TEXT_MAX);
	*ret = arena_strdup(a, t->n ? t->buf : "");
	return *ret ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* name:address, where the address may be host-gateway and may hold colons itself. */
static int put_extra_host(struct text *t, const char *entry, const char *gateway, struct err *e)
{
	size_t n = strcspn(entry, ":=");
	const char *address = entry + n + 1;

	if (n == 0 || entry[n] == '\0' || *address == '\0')
		return err_set(e, EINVAL, "--add-host wants NAME:ADDRESS, not \"%.128s\"", entry);
	if (strcmp(address, "host-gateway") == 0)
		address = gateway ? gateway : "127.0.0.1";
	put(t, "%s\t%.*s\n", address, (int)n, entry);
	return 0;
}

int resolve_hosts(const struct create *o, const char *hostname, const struct endpoint *ep,
	const char *gateway, struct arena *a, const char **ret, struct err *e)
{
	_cleanup_free_ struct text *t = calloc(1, sizeof(*t));
	int r = 0;

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	put(t, "127.0.0.1\tlocalhost\n"
	       "::1\tlocalhost ip6-localhost ip6-loopback\n"
	       "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (uint32_t i = 0; i < o->add_hosts.n && r == 0; i++)
		r = put_extra_host(t, o->add_hosts.v[i], gateway, e);
	if (r < 0)
		return r;
	for (int v6 = 0; v6 < 2 && ep; v6++) {
		const char *ip = v6 ? ep->ip6 : ep->ip4;

		if (ip && o->domainname)
			put(t, "%s\t%s.%s %s\n", ip, hostname, o->domainname, hostname);
		else if (ip)
			put(t, "%s\t%s\n", ip, hostname);
	}
	return keep(t, "/etc/hosts", a, ret, e);
}

static bool is_loopback(const char *address, size_t n)
{
	return (n >= 4 && strncmp(address, "127.", 4) == 0) ||
	       (n == 3 && strncmp(address, "::1", 3) == 0);
}

/* The host's lines, less name servers that a container can't reach, and less what was given
 * instead. */
static void put_host_lines(
	struct text *t, const struct create *o, const char *host, bool host_network)
{
	const char *end;

	for (; *host; host = *end ? end + 1 : end) {
		char word[32];
		const char *value;
		int used = 0;

		end = strchrnul(host, '\n');
		if (sscanf(host, "%31[a-z]%*[ \t]%n", word, &used) != 1 || used == 0 ||
			host + used >= end)
			continue;
		value = host + used;
		if (strcmp(word, "nameserver") == 0 &&
			(o->dns.n > 0 ||
				(!host_network && is_loopback(value, strcspn(value, " \t\n")))))
			continue;
		if ((strcmp(word, "search") == 0 || strcmp(word, "domain") == 0) &&
			o->dns_search.n > 0)
			continue;
		if (strcmp(word, "options") == 0 && o->dns_opt.n > 0)
			continue;
		put(t, "%s %.*s\n", word, (int)(end - value), value);
	}
}

static void put_words(struct text *t, const char *key, const struct strv *v)
{
	if (v->n == 0)
		return;
	put(t, "%s", key);
	for (uint32_t i = 0; i < v->n; i++)
		put(t, " %s", v->v[i]);
	put(t, "\n");
}

int resolve_resolv_conf(const struct create *o, const char *host_resolv, bool host_network,
	struct arena *a, const char **ret, struct err *e)
{
	_cleanup_free_ struct text *t = calloc(1, sizeof(*t));
	/* docker: a single "." empties the search list */
	const bool no_search = o->dns_search.n == 1 && strcmp(o->dns_search.v[0], ".") == 0;

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < o->dns.n; i++)
		put(t, "nameserver %s\n", o->dns.v[i]);
	if (host_resolv)
		put_host_lines(t, o, host_resolv, host_network);
	if (!no_search)
		put_words(t, "search", &o->dns_search);
	put_words(t, "options", &o->dns_opt);
	return keep(t, "/etc/resolv.conf", a, ret, e);
}
