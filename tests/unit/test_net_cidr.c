/* SPDX-License-Identifier: MIT */
/*
 * Addresses and subnets as text and as values.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "netd/cidr.h"

static struct cidr4 net4(const char *text)
{
	struct cidr4 c;

	assert_int_equal(cidr4_parse(text, &c, NULL), 0);
	return c;
}

static struct cidr6 net6(const char *text)
{
	struct cidr6 c;

	assert_int_equal(cidr6_parse(text, &c, NULL), 0);
	return c;
}

static void test_parse4(void **state)
{
	static const char *const bad[] = {"", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/016x", "10.0.0/8", "010.0.0.0/8", " 10.0.0.0/8",
		"10.0.0.0/8 ", "10.0.0.1/8", "10.0.0.0/8/8", "fd00::/8", "0x0a.0.0.0/8"};
	char buf[CIDR_TEXT_MAX];
	struct cidr4 c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cidr4_parse(bad[i], &c, NULL), -EINVAL);
	assert_string_equal(cidr4_format(net4("172.20.0.0/16"), buf), "172.20.0.0/16");
	assert_string_equal(cidr4_format(net4("0.0.0.0/0"), buf), "0.0.0.0/0");
	assert_string_equal(cidr4_format(net4("192.0.2.1/32"), buf), "192.0.2.1/32");
	assert_int_equal(cidr4_last(net4("172.20.0.0/16")), 0xac14ffff);
	assert_int_equal(cidr4_last(net4("0.0.0.0/0")), 0xffffffff);
}

static void test_parse_says_what_was_meant(void **state)
{
	struct err e = {0};
	struct cidr6 c6;
	struct cidr4 c4;

	(void)state;
	cidr4_parse("172.20.1.2/16", &c4, &e);
	assert_non_null(strstr(e.text, "172.20.0.0/16 is the subnet"));
	cidr6_parse("fd00::1/64", &c6, &e);
	assert_non_null(strstr(e.text, "fd00::/64 is the subnet"));
}

static void test_parse6(void **state)
{
	static const char *const bad[] = {
		"fd00::", "fd00::/129", "fd00::/", "fd00:::/64", "10.0.0.0/8", "fd00::%lo/64"};
	char buf[CIDR_TEXT_MAX];
	struct cidr6 c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cidr6_parse(bad[i], &c, NULL), -EINVAL);
	c = net6("fd00:1:2::/48");
	assert_string_equal(cidr6_format(&c, buf), "fd00:1:2::/48");
	c = net6("::/0");
	assert_string_equal(cidr6_format(&c, buf), "::/0");
}

static void test_overlap4(void **state)
{
	(void)state;
	assert_true(cidr4_overlaps(net4("172.16.0.0/12"), net4("172.20.0.0/16")));
	assert_true(cidr4_overlaps(net4("172.20.0.0/16"), net4("172.16.0.0/12")));
	assert_true(cidr4_overlaps(net4("172.20.0.0/16"), net4("172.20.0.0/16")));
	assert_true(cidr4_overlaps(net4("172.20.255.255/32"), net4("172.20.0.0/16")));
	assert_true(cidr4_overlaps(net4("0.0.0.0/0"), net4("172.20.0.0/16")));
	assert_false(cidr4_overlaps(net4("172.21.0.0/16"), net4("172.20.0.0/16")));
	assert_false(cidr4_overlaps(net4("172.32.0.0/12"), net4("172.16.0.0/12")));
	assert_false(cidr4_overlaps(net4("10.0.0.1/32"), net4("10.0.0.0/32")));
}

static void test_overlap6(void **state)
{
	struct cidr6 a = net6("fd00::/8"), b = net6("fd77:1::/64"), c = net6("fd77:1:0:1::/64"),
		     d = net6("fd77:1::/63");

	(void)state;
	assert_true(cidr6_overlaps(&a, &b));
	assert_true(cidr6_overlaps(&b, &a));
	assert_true(cidr6_overlaps(&d, &c));
	assert_false(cidr6_overlaps(&b, &c));
}

static void test_nth6(void **state)
{
	struct cidr6 c = net6("fd77::/64");
	struct in6_addr ip = cidr6_nth(&c, 0x1234abcd);
	char buf[INET6_ADDRSTRLEN];

	(void)state;
	assert_string_equal(ip6_format(&ip, buf), "fd77::1234:abcd");
}

static void test_mac(void **state)
{
	static const char *const bad[] = {"", "02:42:ac:14:00", "02:42:ac:14:00:0g",
		"02-42-ac-14-00-02", "00:00:00:00:00:00", "03:42:ac:14:00:02", "ff:ff:ff:ff:ff:ff",
		"02:42:ac:14:00:02:", "0242ac140002xxxxx"};
	char buf[MAC_TEXT_MAX];
	uint8_t mac[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(mac_parse(bad[i], mac, NULL), -EINVAL);
	assert_int_equal(mac_parse("02:42:AC:14:00:fe", mac, NULL), 0);
	assert_string_equal(mac_format(mac, buf), "02:42:ac:14:00:fe");
	mac_from_ip4(0xac140002, mac);
	assert_string_equal(mac_format(mac, buf), "02:42:ac:14:00:02");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse4),
		cmocka_unit_test(test_parse_says_what_was_meant),
		cmocka_unit_test(test_parse6),
		cmocka_unit_test(test_overlap4),
		cmocka_unit_test(test_overlap6),
		cmocka_unit_test(test_nth6),
		cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
