/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: what it says, and every way to say it wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/config.h"

static struct config c;

static int parse(const char *text, struct err *e)
{
	char copy[1024];

	snprintf(copy, sizeof(copy), "%s", text);
	return config_parse("f", copy, &c, e);
}

static void what_it_says(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(
		parse("# all\n\n group\t4711 # who\npublish-ip 0.0.0.0\n"
		      "quota * containers 3\nquota 1000 containers 5\n"
		      "quota * memory 1.5g\nquota * cpus 0.25\nquota * binds 0\n"
		      "default * memory 64m\ndefault 1000 pids 7\n"
		      "default * isolated-layers yes\ndefault 1000 isolated-layers no\n"
		      "allow 1000 low-ports\nallow * publish\nallow 1000 devices\nimage-gc 85% 75%",
			&e),
		0);
	assert_true(c.has_group);
	assert_int_equal(c.group, 4711);
	assert_string_equal(c.publish_ip, "0.0.0.0");
	assert_string_equal(c.image_gc, "85%,75%");
	assert_int_equal(policy_quota(&c.policy, 1000, QUOTA_CONTAINERS), 5);
	assert_int_equal(policy_quota(&c.policy, 1001, QUOTA_CONTAINERS), 3);
	assert_int_equal(policy_quota(&c.policy, 1000, QUOTA_MEMORY), 1536UL << 20);
	assert_int_equal(policy_quota(&c.policy, 1000, QUOTA_CPUS), 250000);
	assert_int_equal(policy_quota(&c.policy, 1000, QUOTA_BINDS), 0);
	assert_true(policy_quota(&c.policy, 0, QUOTA_CONTAINERS) == POLICY_UNSET);
	assert_true(policy_allows(&c.policy, 1000, RIGHT_LOW_PORTS));
	assert_true(policy_allows(&c.policy, 1000, RIGHT_PUBLISH));
	assert_true(policy_allows(&c.policy, 1000, RIGHT_DEVICES));
	assert_false(policy_allows(&c.policy, 1001, RIGHT_DEVICES));
	assert_false(policy_allows(&c.policy, 1001, RIGHT_LOW_PORTS));
	assert_true(policy_allows(&c.policy, 1001, RIGHT_PUBLISH));
	assert_true(policy_allows(&c.policy, 0, RIGHT_HOST_NETWORK));
	assert_int_equal(policy_row(&c.policy, POLICY_EVERYBODY)->isolated, 1);
	assert_int_equal(policy_row(&c.policy, 1000)->isolated, 0);
}

static void nothing_said(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(parse("", &e), 0);
	assert_false(c.has_group);
	assert_int_equal(policy_quota(&c.policy, 1000, QUOTA_CONTAINERS), 256);
	assert_int_equal(policy_quota(&c.policy, 1000, QUOTA_CONNECTIONS), 64);
	assert_true(policy_quota(&c.policy, 1000, QUOTA_MEMORY) == POLICY_UNSET);
	assert_false(policy_allows(&c.policy, 1000, RIGHT_REMOVE_IMAGES));
}

static void names_are_looked_up(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(parse("group daemon\nquota daemon containers 9", &e), 0);
	assert_int_equal(c.group, 1);
	assert_int_equal(policy_quota(&c.policy, 1, QUOTA_CONTAINERS), 9);
}

static void wrong_lines(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"\n\nqouta * memory 1g", "f:3: unknown key \"qouta\""},
		{"group", "f:1: group wants NAME or GID"},
		{"group a b", "f:1: group wants NAME or GID"},
		{"group no-such-group-here", "no group \"no-such-group-here\""},
		{"group 1\ngroup 2", "f:2: group: said before"},
		{"group -1", "no group \"-1\""},
		{"group 4294967295", "no group"},
		{"publish-ip 300.1.1.1", "no address"},
		{"publish-ip localhost", "no address"},
		{"publish-ip ::\npublish-ip ::", "f:2: publish-ip: said before"},
		{"quota * memory", "quota wants WHO WHAT AMOUNT"},
		{"quota * memory 1g 2g", "quota wants WHO WHAT AMOUNT"},
		{"quota * memory 1g x y z a b c d", "quota wants WHO WHAT AMOUNT"},
		{"quota * memory -1", "no amount of memory"},
		{"quota * memory 1x", "no amount of memory"},
		{"quota * memory 99999999999999999999", "no amount of memory"},
		{"quota * cpus 0.0000001", "no amount of cpus"},
		{"quota * cpus 1e3", "no amount of cpus"},
		{"quota * containers 4194305", "no amount of containers"},
		{"quota * containers 0x10", "no amount of containers"},
		{"quota * disks 1", "unknown quota \"disks\""},
		{"quota root memory 1g", "root may do everything"},
		{"quota 0 memory 1g", "root may do everything"},
		{"quota 4294967295 memory 1g", "no user"},
		{"quota no-such-user-here memory 1g", "no user \"no-such-user-here\""},
		{"quota 5 memory 1g\nquota 5 memory 1g", "f:2: quota: said before"},
		{"default * containers 1",
			"there are defaults of memory, cpus, pids and isolated-layers"},
		{"default * memory 0", "no amount of memory"},
		{"default * isolated-layers maybe", "yes or no, not \"maybe\""},
		{"default 5 isolated-layers no\ndefault 5 isolated-layers no", "said before"},
		{"quota * isolated-layers yes", "unknown quota"},
		{"allow * everything", "unknown right \"everything\""},
		{"allow 5 publish\nallow 5 publish", "f:2: allow: said before"},
		{"Group 1", "unknown key \"Group\""},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = {0};

		assert_true(parse(rows[i].text, &e) < 0);
		if (!strstr(e.text, rows[i].want))
			fail_msg("\"%s\": %s", rows[i].text, e.text);
		assert_memory_equal(e.text, "f:", 2);
	}
}

static void too_many_users(void **state)
{
	char *text = calloc(1, 65536);
	struct err e = {0};

	(void)state;
	for (unsigned int i = 1; i <= POLICY_ROWS_MAX; i++)
		sprintf(text + strlen(text), "quota %u containers 1\n", i);
	assert_int_equal(config_parse("f", strdupa(text), &c, &e), 0);
	strcat(text, "quota 9999 containers 1\n");
	assert_true(config_parse("f", text, &c, &e) < 0);
	assert_non_null(strstr(e.text, "f:257: quota: more than 256 users"));
	free(text);
}

static void the_file_is_roots(void **state)
{
	char path[] = "/tmp/test_sup_config.XXXXXX";
	int fd = mkstemp(path);
	struct err e = {0};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "group 5\n", 8), 8);
	if (geteuid() == 0) {
		assert_int_equal(config_load(path, true, &c, &e), 0);
		assert_int_equal(c.group, 5);
	}
	assert_int_equal(fchmod(fd, 0620), 0);
	assert_int_equal(config_load(path, true, &c, &e), -EPERM);
	assert_int_equal(fchmod(fd, 0602), 0);
	assert_int_equal(config_load(path, true, &c, &e), -EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchown(fd, 1234, 0), 0);
		assert_int_equal(config_load(path, true, &c, &e), -EPERM);
		assert_int_equal(fchown(fd, 0, 0), 0);
		assert_int_equal(write(fd, "\0x", 2), 2);
		assert_int_equal(config_load(path, true, &c, &e), -EINVAL);
		assert_int_equal(ftruncate(fd, 100000), 0);
		assert_int_equal(config_load(path, true, &c, &e), -EFBIG);
	}
	close(fd);
	unlink(path);
	assert_int_equal(config_load(path, true, &c, &e), -ENOENT);
	assert_int_equal(config_load(path, false, &c, &e), 0);
	assert_int_equal(c.policy.n, 0);
	assert_int_equal(config_load("/etc", true, &c, &e), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says),
		cmocka_unit_test(nothing_said),
		cmocka_unit_test(names_are_looked_up),
		cmocka_unit_test(wrong_lines),
		cmocka_unit_test(too_many_users),
		cmocka_unit_test(the_file_is_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
