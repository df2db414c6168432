/* SPDX-License-Identifier: MIT */
/*
 * Where controllers are: the texts of v2, v1 and hybrid hosts, and texts that no kernel writes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroupd/discover.h"

#define BIT(c) (1U << CTL_##c)

static const char rest[] =
	"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
	"23 22 0:5 / /dev rw,nosuid shared:2 master:1 - devtmpfs dev rw,size=4k\n";

static int parse(
	const char *cgroups, const char *mounts, const char *controllers, struct layout *ret)
{
	char text[4096];
	struct err e = {0};
	int r;

	snprintf(text, sizeof(text), "%s%s", rest, mounts);
	r = discover_parse(cgroups, text, controllers, ret, &e);
	assert_int_equal(r, -e.code);
	return r;
}

static void expect(const struct layout *l, unsigned int i, int version, const char *mount,
	uint32_t controllers)
{
	assert_in_range(i, 0, l->n - 1);
	assert_int_equal(l->h[i].version, version);
	assert_string_equal(l->h[i].mount, mount);
	assert_int_equal(l->h[i].controllers, controllers);
}

static void unified_host(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(
		parse("0::/system.slice/x.service\n",
			"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			"cpuset cpu io memory hugetlb pids rdma misc\n", &l),
		0);
	assert_int_equal(l.n, 1);
	expect(&l, 0, 2, "/sys/fs/cgroup",
		BIT(MEMORY) | BIT(CPU) | BIT(CPUSET) | BIT(PIDS) | BIT(IO) | BIT(HUGETLB) |
			CTL_V2_BUILT_IN);
}

/* Two controllers share a hierarchy; the order of their names differs between the two files. */
static void v1_host(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(
		parse("5:freezer:/\n4:cpuacct,cpu:/a:b\n3:memory:/user\n2:net_cls,net_prio:/\n6:blkio:/\n"
		      "1:name=systemd:/init.scope\n",
			"30 22 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
			"31 22 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
			"32 22 0:28 / /sys/fs/cgroup/memory rw shared:3 - cgroup  rw,memory\n"
			"33 22 0:29 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
			"34 22 0:30 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n",
			NULL, &l),
		0);
	assert_int_equal(l.n, 4);
	expect(&l, 3, 1, "/sys/fs/cgroup/blkio", BIT(IO));
	expect(&l, 0, 1, "/sys/fs/cgroup/freezer", BIT(FREEZER));
	expect(&l, 1, 1, "/sys/fs/cgroup/cpu,cpuacct", BIT(CPU) | BIT(CPUACCT));
	expect(&l, 2, 1, "/sys/fs/cgroup/memory", BIT(MEMORY));
}

static const char hybrid[] = "30 22 0:26 / /cg/memory rw - cgroup cgroup rw,memory\n"
			     "31 22 0:27 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n"
			     "32 22 0:28 / /cg/freezer rw - cgroup cgroup rw,freezer\n"
			     "33 22 0:29 / /cg/unified rw - cgroup2 cgroup2 rw\n";

/* v2 beside v1 is there for what v1 has not, and for lists of devices. */
static void hybrid_host(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(
		parse("3:memory:/\n2:cpuacct:/\n1:freezer:/\n0::/\n", hybrid, "rdma\n", &l), 0);
	assert_int_equal(l.n, 4);
	expect(&l, 0, 1, "/cg/memory", BIT(MEMORY));
	expect(&l, 1, 1, "/cg/cpuacct", BIT(CPUACCT));
	expect(&l, 2, 1, "/cg/freezer", BIT(FREEZER));
	expect(&l, 3, 2, "/cg/unified", CTL_V2_BUILT_IN);
	assert_true(l.h[3].optional);
	assert_int_equal(
		parse("3:memory:/\n2:cpuacct:/\n1:freezer:/\n0::/\n", hybrid, "pids cpu\n", &l), 0);
	assert_int_equal(l.n, 4);
	expect(&l, 3, 2, "/cg/unified", BIT(PIDS) | BIT(CPU) | CTL_V2_BUILT_IN);
	assert_false(l.h[3].optional || l.h[0].optional);
	assert_int_equal(parse("3:memory:/\n1:freezer:/\n0::/\n", hybrid, "\n", &l), 0);
	assert_int_equal(l.n, 3);
	expect(&l, 2, 2, "/cg/unified", CTL_V2_BUILT_IN);
}

/* v1's list is used where it is in nobody's way: who is left out of it is in all others. */
static void devices_with_others(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(parse("2:cpu,devices:/\n1:memory:/\n",
				 "30 22 0:26 / /cg/memory rw - cgroup cgroup rw,memory\n"
				 "31 22 0:27 / /cg/both rw - cgroup cgroup rw,cpu,devices\n",
				 NULL, &l),
		0);
	assert_int_equal(l.n, 2);
	expect(&l, 0, 1, "/cg/both", BIT(CPU));
	assert_int_equal(
		parse("1:devices:/\n", "30 22 0:26 / /cg/devices rw - cgroup cgroup rw,devices\n",
			NULL, &l),
		0);
	expect(&l, 0, 1, "/cg/devices", BIT(DEVICES));
	assert_true(l.h[0].optional);
}

/* Bind mounts of parts and mounts outside our cgroup namespace lose against the whole; spaces are
 * escaped. */
static void several_mounts(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(parse("1:memory:/\n",
				 "30 22 0:26 /../.. /outside rw - cgroup cgroup rw,memory\n"
				 "31 22 0:26 /docker/x /part rw - cgroup cgroup rw,memory\n"
				 "32 22 0:26 / /the\\040whole\\134 rw - cgroup cgroup rw,memory\n"
				 "33 22 0:26 / /later rw - cgroup cgroup rw,memory\n",
				 NULL, &l),
		0);
	assert_int_equal(l.n, 1);
	expect(&l, 0, 1, "/the whole\\", BIT(MEMORY));
}

static void bound_but_not_mounted(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(parse("2:pids:/\n1:memory:/\n",
				 "30 22 0:26 / /m rw - cgroup cgroup rw,memory\n", NULL, &l),
		0);
	assert_int_equal(l.n, 1);
	expect(&l, 0, 1, "/m", BIT(MEMORY));
}

static void nothing_mounted(void **state)
{
	struct layout l;

	(void)state;
	assert_int_equal(parse("1:memory:/\n0::/\n", "", NULL, &l), -ENOENT);
}

static void bad_texts(void **state)
{
	static const char mount[] = "30 22 0:26 / /m rw - cgroup cgroup rw,memory\n";
	static const char *const cgroups[] = {"memory:/\n", "x:memory:/\n", "1:memory\n",
		"1:memory:x\n", "0:memory:/\n", "1::/\n", "-1:memory:/\n", " 1:memory:/\n"};
	static const char *const mounts[] = {"30 22 0:26 / /m rw\n",
		"30 22 / /m rw - cgroup cgroup rw\n",
		"30 22 0:26 / m rw - cgroup cgroup rw,memory\n", "30 22 0:26 / /m rw - cgroup\n",
		"30 22 0:26 / /m\\9 rw - cgroup cgroup rw,memory\n",
		"30 22 0:26 / /m\\04 rw - cgroup cgroup rw,memory\n"};
	struct layout l;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(cgroups); i++)
		assert_int_equal(parse(cgroups[i], mount, NULL, &l), -EBADMSG);
	for (unsigned int i = 0; i < ARRAY_LEN(mounts); i++)
		assert_int_equal(parse("1:memory:/\n", mounts[i], NULL, &l), -EBADMSG);
}

/* A service manager's cgroup stands for v2's root, and for no other one. */
static void below(void **state)
{
	struct layout l = {.n = 2,
		.h = {{.version = 1, .mount = "/c/memory"}, {.version = 2, .mount = "/c/unified"}}};
	struct err e = {0};
	char deep[4096];

	(void)state;
	assert_int_equal(discover_below(&l, "/", &e), 0);
	assert_string_equal(l.h[1].mount, "/c/unified");
	assert_int_equal(discover_below(&l, "/a.slice/b.service", &e), 0);
	assert_string_equal(l.h[0].mount, "/c/memory");
	assert_string_equal(l.h[1].mount, "/c/unified/a.slice/b.service");
	assert_int_equal(discover_below(&l, "a.slice", &e), -EINVAL);
	assert_int_equal(discover_below(&l, "/a/../..", &e), -EINVAL);
	assert_int_equal(discover_below(&l, "", &e), -EINVAL);
	memset(deep, 'd', sizeof(deep) - 1);
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(discover_below(&l, deep, &e), -ENAMETOOLONG);
}

/* What is handed over has what it says, whatever the root has; v1's hierarchies are as they were.
 */
static void below_has_less(void **state)
{
	struct layout l = {.n = 2};
	struct err e = {0};
	char dir[] = "/tmp/discover.XXXXXX", path[64];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	l.h[0] = (struct hierarchy){.version = 1, .controllers = BIT(MEMORY), .mount = "/c/memory"};
	l.h[1] = (struct hierarchy){.version = 2,
		.controllers = BIT(PIDS) | BIT(HUGETLB) | CTL_V2_BUILT_IN,
		.mount = ""};
	strcpy(l.h[1].mount, dir);
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sub/cgroup.controllers", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("cpu pids misc\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(discover_below(&l, "/sub", &e), 0);
	assert_int_equal(l.h[0].controllers, BIT(MEMORY));
	assert_int_equal(l.h[1].controllers, BIT(PIDS) | CTL_V2_BUILT_IN);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(l.h[1].mount), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Whatever this machine is, its own files are understood. */
static void this_host(void **state)
{
	struct layout l;
	struct err e = {0};
	int r = discover_host(&l, &e);

	(void)state;
	if (r == -ENOENT)
		skip();
	assert_int_equal(r, 0);
	assert_in_range(l.n, 1, HIERARCHY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unified_host),
		cmocka_unit_test(v1_host),
		cmocka_unit_test(hybrid_host),
		cmocka_unit_test(devices_with_others),
		cmocka_unit_test(several_mounts),
		cmocka_unit_test(bound_but_not_mounted),
		cmocka_unit_test(nothing_mounted),
		cmocka_unit_test(bad_texts),
		cmocka_unit_test(below),
		cmocka_unit_test(below_has_less),
		cmocka_unit_test(this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
