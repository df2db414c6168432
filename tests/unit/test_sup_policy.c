/* SPDX-License-Identifier: MIT */
/*
 * Rights and quotas of users, row by row.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/policy.h"

#define GB (1UL << 30)

static struct policy p;

static struct policy_row *row_of(uint32_t uid)
{
	struct policy_row *row = policy_row(&p, uid);

	assert_non_null(row);
	return row;
}

/* Whatever rights a user has. */
static void refused_but_to_root(const struct create *o, const char *why)
{
	struct err e = {0};

	p.n = 0;
	row_of(1000)->rights = UINT32_MAX;
	assert_int_equal(policy_check_rights(&p, 0, o, &e), 0);
	assert_int_equal(policy_check_rights(&p, 1000, o, &e), -EPERM);
	assert_string_equal(e.text, why);
}

static void some_are_for_root_alone(void **state)
{
	struct device_rule rule = {.kind = "c", .major = 1, .minor = 7, .access = "r"};
	const struct create sliced = {.network = "none", .cgroup_parent = "web.slice"};
	const struct create ruled = {.device_rules = {&rule, 1}};

	(void)state;
	refused_but_to_root(&sliced, "--cgroup-parent is for root");
	refused_but_to_root(&ruled, "--device-cgroup-rule is for root");
}

static void rights(void **state)
{
	static const struct {
		const char *network, *ip;
		uint32_t port;
		enum right needs; /* 0: nothing */
	} rows[] = {
		{"bridge", NULL, 8080, 0},
		{"bridge", NULL, 1024, 0},
		{"bridge", NULL, 1023, RIGHT_LOW_PORTS},
		{"bridge", NULL, 0, 0},
		{"bridge", "127.0.0.1", 8080, 0},
		{"bridge", "127.9.9.9", 8080, 0},
		{"bridge", "::1", 8080, 0},
		{"bridge", "0.0.0.0", 8080, RIGHT_PUBLISH},
		{"bridge", "::", 8080, RIGHT_PUBLISH},
		{"bridge", "128.0.0.1", 8080, RIGHT_PUBLISH},
		{"bridge", "::ffff:127.0.0.1", 8080, RIGHT_PUBLISH},
		{"bridge", "nonsense", 8080, RIGHT_PUBLISH},
		{"host", NULL, 0, RIGHT_HOST_NETWORK},
		{"none", NULL, 0, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct port port = {.host_ip = rows[i].ip, .host_port = rows[i].port};
		struct create o = {.network = rows[i].network, .ports = {&port, 1}};
		struct err e = {0};

		p.n = 0;
		assert_int_equal(policy_check_rights(&p, 0, &o, &e), 0);
		assert_int_equal(policy_check_rights(&p, 1000, &o, &e), rows[i].needs ? -EPERM : 0);
		row_of(1000)->rights = rows[i].needs;
		assert_int_equal(policy_check_rights(&p, 1000, &o, &e), 0);
		row_of(1000)->rights = ~(uint32_t)rows[i].needs;
		assert_int_equal(policy_check_rights(&p, 1000, &o, &e), rows[i].needs ? -EPERM : 0);
	}
}

static void amounts(void **state)
{
	static const struct {
		struct limits l;
		enum quota q;
		uint64_t want;
	} rows[] = {
		{{0}, QUOTA_CONTAINERS, 1},
		{{0}, QUOTA_MEMORY, POLICY_UNSET},
		{{.memory = GB}, QUOTA_MEMORY, GB},
		{{.memory = GB, .memory_swap = 2 * (int64_t)GB}, QUOTA_MEMORY, GB},
		{{.memory = GB, .memory_swap = 6 * (int64_t)GB}, QUOTA_MEMORY, 3 * GB},
		{{.memory = GB, .memory_swap = -1}, QUOTA_MEMORY, POLICY_UNSET},
		{{.memory = GB, .memory_swap = INT64_MAX}, QUOTA_MEMORY, 1UL << 62},
		{{0}, QUOTA_CPUS, POLICY_UNSET},
		{{.cpu_quota = -1}, QUOTA_CPUS, POLICY_UNSET},
		{{.cpu_quota = 50000}, QUOTA_CPUS, 500000},
		{{.cpu_quota = 50000, .cpu_period = 25000}, QUOTA_CPUS, 2000000},
		{{.cpu_quota = 1, .cpu_period = 1000000}, QUOTA_CPUS, 1},
		{{.cpu_quota = 1, .cpu_period = 3}, QUOTA_CPUS, 333334},
		{{.cpu_quota = INT64_MAX, .cpu_period = 1}, QUOTA_CPUS, POLICY_UNSET},
		{{0}, QUOTA_PIDS, 2048},
		{{.pids = 10}, QUOTA_PIDS, 10},
		{{.pids = -1}, QUOTA_PIDS, POLICY_UNSET},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct limits l = rows[i].l;
		struct create o = {.limits = &l};

		assert_true(policy_amount(rows[i].q, &o) == rows[i].want);
	}
	assert_true(policy_amount(QUOTA_MEMORY, &(struct create){0}) == POLICY_UNSET);
	assert_int_equal(
		policy_amount(QUOTA_BINDS,
			&(struct create){.rootfs = "/x",
				.mounts = {(struct mount[]){{.kind = "bind"}, {.kind = "tmpfs"}},
					2}}),
		2);
}

static void quotas(void **state)
{
	struct err e = {0};

	(void)state;
	p.n = 0;
	row_of(POLICY_EVERYBODY)->quota[QUOTA_MEMORY] = 4 * GB;
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_MEMORY, 3 * GB, GB, &e), 0);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_MEMORY, 3 * GB, GB + 1, &e), -EDQUOT);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_MEMORY, 5 * GB, 1, &e), -EDQUOT);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_MEMORY, GB, GB, &e), 0);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_MEMORY, 0, POLICY_UNSET, &e), -EDQUOT);
	assert_non_null(strstr(e.text, "your quota is 4g of memory, 0b in use: say with --memory"));
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_MEMORY, POLICY_UNSET, 1, &e), -EDQUOT);
	assert_int_equal(policy_check_quota(&p, 0, QUOTA_MEMORY, 0, POLICY_UNSET, &e), 0);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_CPUS, 0, POLICY_UNSET, &e), 0);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_CONTAINERS, 255, 1, &e), 0);
	assert_int_equal(policy_check_quota(&p, 1000, QUOTA_CONTAINERS, 256, 1, &e), -EDQUOT);
	assert_string_equal(e.text,
		"your quota is 256 containers, 256 in use: 1 more would exceed it; remove a container first");
}

static void presets(void **state)
{
	struct arena a = {0};
	struct limits asked = {.memory = 5, .cpu_shares = 7};
	struct create o = {.limits = &asked}, none = {0};
	struct err e = {0};

	(void)state;
	p.n = 0;
	assert_int_equal(policy_preset(&p, 1000, &none, &a, &e), 0);
	assert_null(none.limits);
	row_of(POLICY_EVERYBODY)->preset[QUOTA_MEMORY] = GB;
	row_of(POLICY_EVERYBODY)->preset[QUOTA_CPUS] = 1500000;
	row_of(1000)->preset[QUOTA_PIDS] = 9;
	assert_int_equal(policy_preset(&p, 0, &none, &a, &e), 0);
	assert_null(none.limits);
	assert_int_equal(policy_preset(&p, 1000, &none, &a, &e), 0);
	assert_int_equal(none.limits->memory, GB);
	assert_int_equal(none.limits->pids, 9);
	assert_int_equal(policy_amount(QUOTA_CPUS, &none), 1500000);
	assert_int_equal(policy_preset(&p, 1001, &o, &a, &e), 0);
	assert_int_equal(o.limits->memory, 5);
	assert_int_equal(o.limits->cpu_shares, 7);
	assert_int_equal(o.limits->pids, 0);
	arena_free(&a);
}

static bool isolated(uid_t uid, struct create o)
{
	struct arena a = {0};
	struct err e = {0};

	assert_int_equal(policy_preset(&p, uid, &o, &a, &e), 0);
	arena_free(&a);
	return o.isolated_layers;
}

static void isolated_layers(void **state)
{
	const struct create o = {.image = "x"}, asks = {.image = "x", .isolated_layers = true};

	(void)state;
	p.n = 0;
	assert_false(isolated(1000, o));
	assert_true(isolated(1000, asks));
	row_of(POLICY_EVERYBODY)->isolated = 1;
	assert_true(isolated(1000, o));
	assert_false(isolated(0, o));
	assert_false(isolated(1000, (struct create){.rootfs = "/x"}));
	row_of(1000)->isolated = 0;
	assert_false(isolated(1000, o));
	assert_true(isolated(1000, asks));
	assert_true(isolated(1001, o));
	row_of(POLICY_EVERYBODY)->isolated = 0;
	row_of(1000)->isolated = 1;
	assert_true(isolated(1000, o));
	assert_false(isolated(1001, o));
}

static void texts(void **state)
{
	static const struct {
		enum quota q;
		uint64_t v;
		const char *want;
	} rows[] = {
		{QUOTA_MEMORY, 0, "0b"},
		{QUOTA_MEMORY, 1, "1b"},
		{QUOTA_MEMORY, 1536UL << 20, "1536m"},
		{QUOTA_MEMORY, 2 * GB, "2g"},
		{QUOTA_CPUS, 0, "0"},
		{QUOTA_CPUS, 2000000, "2"},
		{QUOTA_CPUS, 20000000, "20"},
		{QUOTA_CPUS, 250000, "0.25"},
		{QUOTA_CONTAINERS, 100, "100"},
	};
	char buf[32];

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(policy_amount_text(rows[i].q, rows[i].v, buf), rows[i].want);
}

static void handed_on(void **state)
{
	static struct policy got;
	struct err e = {0};
	int fd;

	(void)state;
	p.n = 0;
	row_of(7)->quota[QUOTA_PIDS] = 3;
	fd = policy_send(&p, &e);
	assert_true(fd >= 0);
	assert_int_equal(policy_receive(fd, &got, &e), 0);
	assert_int_equal(policy_quota(&got, 7, QUOTA_PIDS), 3);
	assert_true(policy_receive(0, &got, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rights),
		cmocka_unit_test(some_are_for_root_alone),
		cmocka_unit_test(amounts),
		cmocka_unit_test(quotas),
		cmocka_unit_test(presets),
		cmocka_unit_test(isolated_layers),
		cmocka_unit_test(texts),
		cmocka_unit_test(handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
