/* SPDX-License-Identifier: MIT */
/*
 * The address pool: no address twice, none that is reserved, none soon again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "netd/pool.h"

static const struct cidr4 small = {0x0a4d0000, 29}; /* 10.77.0.0/29 */

static void test_sizes(void **state)
{
	struct pool *p;

	(void)state;
	assert_int_equal(pool_new((struct cidr4){0x0a000000, 15}, &p, NULL), -EINVAL);
	assert_int_equal(pool_new((struct cidr4){0x0a000000, 30}, &p, NULL), -EINVAL);
	assert_int_equal(pool_new((struct cidr4){0x0a000000, 16}, &p, NULL), 0);
	assert_int_equal(pool_gateway(p), 0x0a000001);
	pool_free(p);
	pool_free(NULL);
}

static void test_every_address_once(void **state)
{
	static uint8_t seen[65536];
	struct err e = {0};
	struct pool *p;
	uint32_t ip;

	(void)state;
	memset(seen, 0, sizeof(seen));
	assert_int_equal(pool_new((struct cidr4){0x0a4d0000, 16}, &p, NULL), 0);
	for (int i = 0; i < 65536 - 3; i++) {
		assert_int_equal(pool_take(p, &ip, NULL), 0);
		assert_int_equal(ip >> 16, 0x0a4d);
		assert_int_equal(seen[ip & 0xffff]++, 0);
	}
	assert_int_equal(seen[0] + seen[1] + seen[65535], 0);
	assert_int_equal(pool_take(p, &ip, &e), -EADDRNOTAVAIL);
	assert_string_equal(e.text, "all 65533 addresses of 10.77.0.0/16 are in use");
	pool_release(p, 0x0a4d1234);
	assert_int_equal(pool_take(p, &ip, NULL), 0);
	assert_int_equal(ip, 0x0a4d1234);
	pool_free(p);
}

static void test_released_comes_last(void **state)
{
	struct pool *p;
	uint32_t ip;

	(void)state;
	assert_int_equal(pool_new(small, &p, NULL), 0);
	for (uint32_t want = 2; want <= 6; want++) {
		assert_int_equal(pool_take(p, &ip, NULL), 0);
		assert_int_equal(ip, small.base + want);
		pool_release(p, ip);
	}
	assert_int_equal(pool_take(p, &ip, NULL), 0);
	assert_int_equal(ip, small.base + 2);
	pool_free(p);
}

static void test_claims(void **state)
{
	struct pool *p;
	uint32_t ip;

	(void)state;
	assert_int_equal(pool_new(small, &p, NULL), 0);
	assert_int_equal(pool_claim(p, small.base + 4, NULL), 0);
	assert_int_equal(pool_claim(p, small.base + 4, NULL), -EADDRINUSE);
	assert_int_equal(pool_claim(p, small.base, NULL), -EINVAL);
	assert_int_equal(pool_claim(p, small.base + 1, NULL), -EINVAL);
	assert_int_equal(pool_claim(p, small.base + 7, NULL), -EINVAL);
	assert_int_equal(pool_claim(p, small.base + 8, NULL), -EINVAL);
	assert_int_equal(pool_claim(p, small.base - 1, NULL), -EINVAL);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pool_take(p, &ip, NULL), 0);
		assert_int_not_equal(ip, small.base + 4);
	}
	assert_int_equal(pool_used(p), 5);
	assert_int_equal(pool_take(p, &ip, NULL), -EADDRNOTAVAIL);
	/* Giving back what isn't in use, or isn't here, changes nothing. */
	pool_release(p, small.base + 100);
	pool_release(p, small.base + 1);
	assert_int_equal(pool_used(p), 5);
	pool_release(p, small.base + 4);
	pool_release(p, small.base + 4);
	assert_int_equal(pool_used(p), 4);
	pool_free(p);
}

/* What somebody asked for is nobody's next. */
static void test_claims_and_the_next(void **state)
{
	struct pool *p;
	uint32_t ip;

	(void)state;
	assert_int_equal(pool_new(small, &p, NULL), 0);
	assert_int_equal(pool_claim(p, small.base + 4, NULL), 0);
	assert_int_equal(pool_take(p, &ip, NULL), 0);
	assert_int_equal(ip, small.base + 2);
	pool_go_on(p, small.base + 4);
	assert_int_equal(pool_take(p, &ip, NULL), 0);
	assert_int_equal(ip, small.base + 5);
	pool_go_on(p, small.base + 100);
	assert_int_equal(pool_take(p, &ip, NULL), 0);
	assert_int_equal(ip, small.base + 6);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_every_address_once),
		cmocka_unit_test(test_released_comes_last),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_claims_and_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
