/* SPDX-License-Identifier: MIT */
/*
 * Link names fit, are the same in every run, and differ where things differ; aliases come back as
 * they went.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netd/names.h"

#define ID_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_bridges(void **state)
{
	char a[IFNAMSIZ], b[IFNAMSIZ];

	(void)state;
	names_bridge("bulkhead", "bridge", a);
	assert_string_equal(a, "bulkhead0");
	names_bridge("fourteenletter", "bridge", a);
	assert_string_equal(a, "fourteenletter0");
	/* Too long to stand in the name: hashed, not cut. */
	names_bridge("an-engine-with-a-long-name-1", "bridge", a);
	names_bridge("an-engine-with-a-long-name-2", "bridge", b);
	assert_true(strlen(a) < IFNAMSIZ);
	assert_string_not_equal(a, b);
	names_bridge("bulkhead", "front", a);
	names_bridge("bulkhead", "back", b);
	assert_string_not_equal(a, b);
	names_bridge("other", "front", b);
	assert_string_not_equal(a, b);
	/* The words' border counts. */
	names_bridge("ab", "c", a);
	names_bridge("a", "bc", b);
	assert_string_not_equal(a, b);
}

static void test_annexes(void **state)
{
	char a[IFNAMSIZ], b[IFNAMSIZ], alias[NAMES_ALIAS_MAX], ip[] = "10.0.0.1";
	const char *bad[] = {"", "bulkhead:e:network:n",
		"bulkhead:e:network:n:", "bulkhead:e:network:n:0:up", "bulkhead:e:network:n:07:up",
		"bulkhead:e:network:n:-7:up", "bulkhead:e:network:n:7",
		"bulkhead:e:network:n:7:down", "bulkhead:e:network:n:7:upper",
		"bulkhead:f:network:n:7:up", "bulkhead:e:network:nn:7:up",
		"bulkhead:e:network:n:4294967303:up"};
	char id[NAMES_ID_MAX + 1];
	struct in6_addr ip6;
	uint8_t mac[6];
	uint32_t ip4;

	(void)state;
	names_annex("bulkhead", "bridge", 1, "down", a);
	names_annex("bulkhead", "bridge", 1, "up", b);
	assert_string_not_equal(a, b);
	names_annex("bulkhead", "bridge", 2, "down", b);
	assert_string_not_equal(a, b);
	names_annex("bulkhead", "bridge", 4294967295U, "bridge", b);
	assert_true(strlen(b) < IFNAMSIZ);
	names_annex_alias("e", "n", 7, "up", alias);
	assert_int_equal(names_parse_annex_alias("e", "n", alias, "up"), 7);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(names_parse_annex_alias("e", "n", bad[i], "up"), 0);
	assert_int_equal(names_parse_annex_alias("e", "n", NULL, "up"), 0);
	/* No container's, whatever the network is called. */
	names_annex_alias("e", ip, 7, "up", alias);
	assert_false(names_parse_link_alias("e", alias, id, &ip4, &ip6, mac));
}

static void test_links(void **state)
{
	char a[IFNAMSIZ], b[IFNAMSIZ];

	(void)state;
	names_link("bulkhead", "bridge", ID_A, a);
	assert_string_equal(a, "bh0123456789");
	names_link("bulkhead", "front", ID_A, b);
	assert_string_not_equal(a, b);
	assert_true(strlen(b) < IFNAMSIZ);
	names_link("bulkhead", "bridge", "web", a);
	names_link("other", "bridge", "web", b);
	assert_string_not_equal(a, b);
	names_link("bulkhead", "bridge", "web", b);
	assert_string_equal(a, b);
}

static void test_alias_round_trip(void **state)
{
	char alias[NAMES_ALIAS_MAX], id[NAMES_ID_MAX + 1];
	const uint8_t mac[6] = {0x02, 0x42, 0xac, 0x14, 0x00, 0xfe};
	struct in6_addr ip6, back6;
	uint8_t back_mac[6];
	uint32_t back4;

	(void)state;
	assert_int_equal(ip6_parse("fd77:1234:5678:9abc:def0:1234:5678:9abc", &ip6, NULL), 0);
	names_link_alias("bulkhead", ID_A, 0xac140002, &ip6, mac, alias);
	assert_true(names_parse_link_alias("bulkhead", alias, id, &back4, &back6, back_mac));
	assert_string_equal(id, ID_A);
	assert_int_equal(back4, 0xac140002);
	assert_memory_equal(&back6, &ip6, sizeof(ip6));
	assert_memory_equal(back_mac, mac, sizeof(mac));
	assert_false(names_parse_link_alias("bulk", alias, id, &back4, &back6, back_mac));
	assert_false(names_parse_link_alias("bulkhead2", alias, id, &back4, &back6, back_mac));
}

static void test_foreign_aliases(void **state)
{
	static const char *const bad[] = {
		"",
		"uplink to the office",
		"bulkhead",
		"bulkhead:",
		"bulkhead:e",
		"bulkhead:e:",
		"bulkhead:e:web",
		"bulkhead:e:web:",
		"bulkhead:e:web:1.2.3.4",
		"bulkhead:e:web:1.2.3.4:",
		"bulkhead:e:web:1.2.3.4:0242ac140002",
		"bulkhead:e:web:1.2.3.4:0242ac140002:",
		"bulkhead:e:web:1.2.3.4:fd00::1",
		"bulkhead:e:web:1.2.3.4:0242ac14000:fd00::1",
		"bulkhead:e:web:1.2.3.4:0242ac1400020:fd00::1",
		"bulkhead:e:web:1.2.3.4:0142ac140002:fd00::1",
		"bulkhead:e:web:1.2.3.4:0242ac14000g:fd00::1",
		"bulkhead:e:web:1.2.3:0242ac140002:fd00::1",
		"bulkhead:e::1.2.3.4:0242ac140002:fd00::1",
		"bulkhead:e:we b:1.2.3.4:0242ac140002:fd00::1",
		"bulkhead:e:../x:1.2.3.4:0242ac140002:fd00::1",
		"bulkhead:e:web:1.2.3.4:0242ac140002:fd00::1:x",
		"xbulkhead:e:web:1.2.3.4:0242ac140002:fd00::1",
		"bulkhead:e:network:bridge",
		"bulkhead:e:" ID_A "0:1.2.3.4:0242ac140002:fd00::1",
	};
	char id[NAMES_ID_MAX + 1];
	struct in6_addr ip6;
	uint8_t mac[6];
	uint32_t ip4;

	(void)state;
	assert_false(names_parse_link_alias("e", NULL, id, &ip4, &ip6, mac));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(names_parse_link_alias("e", bad[i], id, &ip4, &ip6, mac));
	assert_true(names_parse_link_alias(
		"e", "bulkhead:e:web:1.2.3.4:0242ac140002:fd00::1", id, &ip4, &ip6, mac));
}

static void test_check(void **state)
{
	static const char *const bad[] = {
		"", ".", "-x", "a/b", "a b", "a\"b", "a:b", "a\nb", "a;b", "\xc3\xa4", ID_A "0"};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(names_check("container", bad[i], &e), -EINVAL);
	assert_int_equal(strncmp(e.text, "container '", 11), 0);
	assert_int_equal(names_check("container", ID_A, NULL), 0);
	assert_int_equal(names_check("container", "Web_1.x-y", NULL), 0);
}

static void test_macs(void **state)
{
	uint8_t a[6], b[6];

	(void)state;
	names_bridge_mac("bulkhead", "bridge", a);
	names_bridge_mac("other", "bridge", b);
	assert_memory_not_equal(a, b, 6);
	assert_int_equal(a[0], 0x02); /* local, unicast */
	names_bridge_mac("bulkhead", "bridge", b);
	assert_memory_equal(a, b, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridges),
		cmocka_unit_test(test_annexes),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_alias_round_trip),
		cmocka_unit_test(test_foreign_aliases),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
