/* SPDX-License-Identifier: MIT */
/*
 * Published ports: from what was asked to rows, and who is in the way. Runs in netd. The requests
 * were written by users: all is checked here.
 */
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "diag.h"

const char *ports_host(const struct published *p, char buf[INET6_ADDRSTRLEN])
{
	return p->family == AF_INET ? ip4_format(p->host4, buf) : ip6_format(&p->host6, buf);
}

const char *ports_format(const struct published *p, char buf[PORTS_TEXT_MAX])
{
	bool six = p->family == AF_INET6;
	char ip[INET6_ADDRSTRLEN];

	snprintf(buf, PORTS_TEXT_MAX, "%s%s%s:%u/%s", six ? "[" : "", ports_host(p, ip),
		six ? "]" : "", p->host_port, p->udp ? "udp" : "tcp");
	return buf;
}

void ports_free(struct published *rows)
{
	while (rows) {
		struct published *p = rows;

		rows = p->next;
		fd_close(&p->hold);
		free(p);
	}
}

struct published *ports_take(struct published **book, const char *container)
{
	struct published *taken = NULL, **end = &taken;

	while (*book) {
		struct published *p = *book;

		if (strcmp(p->container, container) != 0) {
			book = &p->next;
			continue;
		}
		*book = p->next;
		p->next = NULL;
		*end = p;
		end = &p->next;
	}
	return taken;
}

void ports_append(struct published **book, struct published *rows)
{
	while (*book)
		book = &(*book)->next;
	*book = rows;
}

static bool same_address(const struct published *a, const struct published *b)
{
	if (a->any || b->any)
		return true;
	return a->family == AF_INET ? a->host4 == b->host4 : memcmp(&a->host6, &b->host6, 16) == 0;
}

bool ports_same(const struct published *a, const struct published *b)
{
	if (strcmp(a->container, b->container) != 0 || a->family != b->family || a->any != b->any ||
		a->udp != b->udp || a->host_port != b->host_port || a->to_port != b->to_port)
		return false;
	if (a->family == AF_INET)
		return a->host4 == b->host4 && a->to4 == b->to4;
	return memcmp(&a->host6, &b->host6, 16) == 0 && memcmp(&a->to6, &b->to6, 16) == 0;
}

const struct published *ports_owner(const struct published *book, const struct published *want)
{
	for (; book; book = book->next)
		if (book->family == want->family && book->udp == want->udp &&
			book->host_port == want->host_port && same_address(book, want))
			return book;
	return NULL;
}

static int parse_host(const char *ip, struct published *p, struct err *e)
{
	if (ip4_parse(ip, &p->host4, NULL) == 0) {
		p->family = AF_INET;
		p->any = p->host4 == INADDR_ANY;
		return 0;
	}
	if (ip6_parse(ip, &p->host6, NULL) < 0)
		return err_set(e, EINVAL, "'%s' is not an address to publish ports on", ip);
	p->family = AF_INET6;
	p->any = IN6_IS_ADDR_UNSPECIFIED(&p->host6);
	if (IN6_IS_ADDR_LOOPBACK(&p->host6))
		return err_set(e, EADDRNOTAVAIL,
			"ports can't be published on ::1, which the kernel doesn't route: use 127.0.0.1 or [::]");
	if (IN6_IS_ADDR_LINKLOCAL(&p->host6) || IN6_IS_ADDR_V4MAPPED(&p->host6))
		return err_set(e, EINVAL, "ports can't be published on %s", ip);
	return 0;
}

static int parse(
	const struct port *want, const char *default_ip, struct published *p, struct err *e)
{
	char text[PORTS_TEXT_MAX];

	p->udp = strcmp(want->proto, "udp") == 0;
	if (!p->udp && strcmp(want->proto, "tcp") != 0)
		return err_set(
			e, EINVAL, "'%s' is not a protocol to publish: tcp or udp", want->proto);
	if (!want->container_port || want->container_port > UINT16_MAX ||
		want->host_port > UINT16_MAX)
		return err_set(e, EINVAL, "a published port is a number from 1 to 65535");
	p->host_port = (uint16_t)want->host_port;
	p->to_port = (uint16_t)want->container_port;
	if (parse_host(want->host_ip && *want->host_ip ? want->host_ip : default_ip, p, e) < 0)
		return -e->code;
	if (p->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&p->to6))
		return err_set(
			e, EAFNOSUPPORT, "port %s: the network has no IPv6", ports_format(p, text));
	return 0;
}

static int bind_port(const struct published *p, uint16_t port, bool reuse)
{
	_cleanup_fd_ int fd =
		socket(p->family, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = p->host6};
	struct sockaddr_in a4 = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(p->host4)}};
	bool six = p->family == AF_INET6;
	int on = 1, r;

	if (fd < 0)
		return -errno;
	if (six)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = bind(fd, six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4,
		six ? sizeof(a6) : sizeof(a4));
	return r < 0 ? -errno : take_fd(&fd);
}

static uint16_t bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = {.in6 = {0}};
	socklen_t n = sizeof(a);

	if (getsockname(fd, &a.any, &n) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

/* Ports below the unprivileged range can't be bound by netd, and connections in TIME_WAIT make a
 * free port look taken: there the kernel's list of sockets decides. */
static int hold(struct published *p, struct err *e)
{
	char text[PORTS_TEXT_MAX];
	bool used = true;
	int fd = bind_port(p, p->host_port, false), r;

	if (fd == -EADDRNOTAVAIL)
		return err_set(e, EADDRNOTAVAIL, "port %s: this is not an address of the host",
			ports_format(p, text));
	if (fd >= 0) {
		p->hold = fd;
		if (!p->host_port)
			p->host_port = bound_port(fd);
		return 0;
	}
	if (!p->host_port)
		return err_errno(e, fd, "finding a free port on %s", ports_host(p, text));
	r = diag_port_used(p, &used, e);
	if (r < 0)
		return r;
	if (used)
		return err_set(e, EADDRINUSE, "port %s is already in use by another program",
			ports_format(p, text));
	ports_hold_again(p);
	return 0;
}

/* Binding below the unprivileged range fails before the address is looked at. */
static int check_address(const struct published *p, struct err *e)
{
	char ip[INET6_ADDRSTRLEN];
	int fd = bind_port(p, 0, false);

	if (fd == -EADDRNOTAVAIL)
		return err_set(e, EADDRNOTAVAIL,
			"%s is not an address of the host: no port can be published on it",
			ports_host(p, ip));
	if (fd < 0)
		return err_errno(e, fd, "%s: publishing a port", ports_host(p, ip));
	fd_close(&fd);
	return 0;
}

static int resolve_one(const struct published *book, const struct published *fresh,
	struct published *p, struct err *e)
{
	const struct published *o = NULL;
	char text[PORTS_TEXT_MAX];

	if (p->host_port) {
		o = ports_owner(book, p);
		o = o ? o : ports_owner(fresh, p);
	}
	if (o)
		return err_set(e, EADDRINUSE, "port %s is already in use by container %.12s",
			ports_format(p, text), o->container);
	if (check_address(p, e) < 0)
		return -e->code;
	return hold(p, e);
}

static struct published *row_new(const struct member *m)
{
	struct published *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->hold = -1;
	p->to4 = m->ip4;
	p->to6 = m->ip6;
	snprintf(p->container, sizeof(p->container), "%s", m->id);
	return p;
}

int ports_resolve(const struct published *book, const struct port *want, uint32_t n,
	const char *default_ip, const struct member *m, struct published **ret, struct err *e)
{
	struct published *fresh = NULL;

	for (uint32_t i = 0; i < n; i++) {
		struct published *p = row_new(m);
		int r = p ? parse(&want[i], default_ip, p, e)
			  : err_errno(e, ENOMEM, "published ports");

		if (r == 0)
			r = resolve_one(book, fresh, p, e);
		ports_append(&fresh, p);
		if (r < 0) {
			ports_free(fresh);
			return r;
		}
	}
	*ret = fresh;
	return 0;
}

int ports_restore(const struct port *had, uint32_t n, const struct member *m,
	struct published **ret, struct err *e)
{
	struct published *fresh = NULL;

	for (uint32_t i = 0; i < n; i++) {
		struct published *p = row_new(m);
		int r = p ? parse(&had[i], "", p, e) : err_errno(e, ENOMEM, "published ports");

		if (r == 0 && !p->host_port)
			r = err_set(e, EINVAL, "a published port is a number from 1 to 65535");
		ports_append(&fresh, p);
		if (r < 0) {
			ports_free(fresh);
			return r;
		}
	}
	*ret = fresh;
	return 0;
}

/* With an address in reuse others could take the port, too: that is for where TIME_WAIT is in the
 * way, and it is TCP's. */
bool ports_hold_again(struct published *p)
{
	if (p->hold < 0)
		p->hold = bind_port(p, p->host_port, false);
	if (p->hold == -EADDRINUSE && !p->udp)
		p->hold = bind_port(p, p->host_port, true);
	return p->hold != -EADDRINUSE;
}
