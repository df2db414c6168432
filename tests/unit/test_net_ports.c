/* SPDX-License-Identifier: MIT */
/*
 * Published ports: what is asked for, who is in the way, and that a port is held and let go. Uses
 * loopback ports of this machine that the kernel chose.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netd/ports.h"

static struct member web = {.id = "web", .ip4 = 0xac140002, .ip6 = {.s6_addr = {0xfd, [15] = 2}}};
static struct member db = {.id = "db", .ip4 = 0xac140003, .ip6 = {.s6_addr = {0xfd, [15] = 3}}};

static int resolve(const struct published *book, const struct member *m, const char *ip,
	uint32_t host, uint32_t to, const char *proto, struct published **ret, struct err *e)
{
	struct port p = {.host_ip = ip, .host_port = host, .container_port = to, .proto = proto};

	return ports_resolve(book, &p, 1, "127.0.0.1", m, ret, e);
}

static void assert_refused(const struct published *book, const char *ip, uint32_t host, uint32_t to,
	const char *proto, int code, const char *words)
{
	struct published *rows = NULL;
	struct err e = {0};

	assert_int_equal(resolve(book, &db, ip, host, to, proto, &rows, &e), -code);
	assert_null(rows);
	if (!strstr(e.text, words))
		fail_msg("'%s' doesn't say '%s'", e.text, words);
}

/* A socket on 127.0.0.1, of a port that the kernel chose unless *port says one; -errno when it
 * can't be had. */
static int bound(int type, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)},
		.sin_port = htons(*port)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(a);

	if (bind(fd, (struct sockaddr *)&a, n) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	getsockname(fd, (struct sockaddr *)&a, &n);
	*port = ntohs(a.sin_port);
	return fd;
}

static void test_defaults(void **state)
{
	struct published *rows;
	char buf[PORTS_TEXT_MAX];

	(void)state;
	assert_int_equal(resolve(NULL, &web, NULL, 0, 80, "tcp", &rows, NULL), 0);
	assert_int_equal(rows->host4, INADDR_LOOPBACK);
	assert_true(rows->host_port >= 1024);
	assert_int_equal(rows->to4, web.ip4);
	assert_int_equal(rows->to_port, 80);
	assert_false(rows->any);
	assert_int_equal(strncmp(ports_format(rows, buf), "127.0.0.1:", 10), 0);
	ports_free(rows);
	assert_int_equal(resolve(NULL, &web, "::", 0, 80, "udp", &rows, NULL), 0);
	assert_true(rows->any);
	assert_int_equal(rows->family, AF_INET6);
	assert_int_equal(strncmp(ports_format(rows, buf), "[::]:", 5), 0);
	assert_non_null(strstr(buf, "/udp"));
	ports_free(rows);
}

static void test_bad(void **state)
{
	(void)state;
	assert_refused(NULL, "localhost", 8080, 80, "tcp", EINVAL, "'localhost' is not an address");
	assert_refused(NULL, "127.0.0.01", 8080, 80, "tcp", EINVAL, "is not an address");
	assert_refused(NULL, "::1", 8080, 80, "tcp", EADDRNOTAVAIL, "::1");
	assert_refused(NULL, "fe80::1", 8080, 80, "tcp", EINVAL, "fe80::1");
	assert_refused(NULL, "::ffff:127.0.0.1", 8080, 80, "tcp", EINVAL, "can't be published");
	assert_refused(NULL, "203.0.113.1", 8080, 80, "tcp", EADDRNOTAVAIL,
		"203.0.113.1 is not an address of the host");
	assert_refused(NULL, NULL, 8080, 0, "tcp", EINVAL, "1 to 65535");
	assert_refused(NULL, NULL, 65536, 80, "tcp", EINVAL, "1 to 65535");
	assert_refused(NULL, NULL, 8080, 65536, "tcp", EINVAL, "1 to 65535");
	assert_refused(NULL, NULL, 8080, 80, "TCP", EINVAL, "'TCP'");
}

static void test_held_and_let_go(void **state)
{
	struct published *rows;
	uint16_t port;
	int fd;

	(void)state;
	assert_int_equal(resolve(NULL, &web, NULL, 0, 80, "tcp", &rows, NULL), 0);
	port = rows->host_port;
	assert_int_equal(bound(SOCK_STREAM, &port), -EADDRINUSE);
	ports_free(rows);
	fd = bound(SOCK_STREAM, &port);
	assert_true(fd >= 0);
	close(fd);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* One descriptor a port, also when it is held again, and none when it is let go. */
static void test_one_descriptor_a_port(void **state)
{
	struct published *rows;
	int before = open_descriptors();

	(void)state;
	assert_int_equal(resolve(NULL, &web, NULL, 0, 80, "tcp", &rows, NULL), 0);
	assert_int_equal(open_descriptors(), before + 1);
	ports_hold_again(rows);
	assert_int_equal(open_descriptors(), before + 1);
	close(rows->hold);
	rows->hold = -1;
	ports_hold_again(rows);
	assert_int_equal(open_descriptors(), before + 1);
	ports_free(rows);
	assert_int_equal(open_descriptors(), before);
}

static void test_taken_by_a_program(void **state)
{
	uint16_t tcp = 0, udp = 0;
	int t = bound(SOCK_STREAM, &tcp), u = bound(SOCK_DGRAM, &udp);

	(void)state;
	assert_true(t >= 0 && u >= 0);
	assert_int_equal(listen(t, 1), 0);
	assert_refused(NULL, "127.0.0.1", tcp, 80, "tcp", EADDRINUSE,
		"/tcp is already in use by another program");
	assert_refused(NULL, "0.0.0.0", tcp, 80, "tcp", EADDRINUSE, "in use by another program");
	assert_refused(NULL, "127.0.0.1", udp, 53, "udp", EADDRINUSE,
		"/udp is already in use by another program");
	close(t);
	close(u);
}

static void test_taken_by_a_container(void **state)
{
	struct published *book, *rows;
	uint16_t port;

	(void)state;
	assert_int_equal(resolve(NULL, &web, "127.0.0.2", 0, 80, "tcp", &book, NULL), 0);
	port = book->host_port;
	assert_refused(book, "127.0.0.2", port, 80, "tcp", EADDRINUSE, "in use by container web");
	assert_refused(book, "0.0.0.0", port, 80, "tcp", EADDRINUSE, "in use by container web");
	/* Another address, protocol or family is another port. */
	assert_int_equal(resolve(book, &db, "127.0.0.3", port, 80, "tcp", &rows, NULL), 0);
	ports_free(rows);
	assert_int_equal(resolve(book, &db, "127.0.0.2", port, 80, "udp", &rows, NULL), 0);
	ports_free(rows);
	assert_int_equal(resolve(book, &db, "::", port, 80, "tcp", &rows, NULL), 0);
	ports_free(rows);
	ports_free(book);
}

static void test_twice_in_one_request(void **state)
{
	struct port p[2] = {{.host_port = 0, .container_port = 80, .proto = "tcp"},
		{.host_port = 0, .container_port = 80, .proto = "tcp"}};
	struct published *rows = NULL;
	struct err e = {0};
	uint16_t port;

	(void)state;
	assert_int_equal(ports_resolve(NULL, p, 2, "127.0.0.1", &web, &rows, NULL), 0);
	assert_int_not_equal(rows->host_port, rows->next->host_port);
	port = rows->host_port;
	ports_free(rows);
	rows = NULL;
	p[0].host_port = p[1].host_port = port;
	assert_int_equal(ports_resolve(NULL, p, 2, "127.0.0.1", &web, &rows, &e), -EADDRINUSE);
	assert_null(rows);
	/* The first of the two has been let go. */
	assert_int_equal(ports_resolve(NULL, p, 1, "127.0.0.1", &web, &rows, &e), 0);
	ports_free(rows);
}

static void test_book(void **state)
{
	struct published *book = NULL, *rows, *taken;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			resolve(book, i == 1 ? &db : &web, NULL, 0, 80, "tcp", &rows, NULL), 0);
		ports_append(&book, rows);
	}
	taken = ports_take(&book, "web");
	assert_string_equal(taken->container, "web");
	assert_string_equal(taken->next->container, "web");
	assert_null(taken->next->next);
	assert_string_equal(book->container, "db");
	assert_null(book->next);
	assert_null(ports_take(&book, "web"));
	ports_free(taken);
	ports_free(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_held_and_let_go),
		cmocka_unit_test(test_one_descriptor_a_port),
		cmocka_unit_test(test_taken_by_a_program),
		cmocka_unit_test(test_taken_by_a_container),
		cmocka_unit_test(test_twice_in_one_request),
		cmocka_unit_test(test_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
