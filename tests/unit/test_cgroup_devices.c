/* SPDX-License-Identifier: MIT */
/*
 * Lists of devices, on this machine's kernel: what a process in a group may open. Needs root.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/util.h"
#include "cgroup_host.h"
#include "cgroupd/devmap.h"

static char dir[] = "/tmp/test-devices-XXXXXX";

static int set_up_devices(void **state)
{
	int r = set_up(state);

	if (r == 0 && tree.n > 0)
		devices_open(&tree);
	return r < 0 || mkdtemp(dir) ? r : -1;
}

static int tear_down_devices(void **state)
{
	return rmdir(dir) < 0 ? -1 : tear_down(state);
}

static void need_list(void)
{
	need_host();
	if (tree.devices.program < 0) {
		print_message("skipped: no program can be attached here\n");
		skip();
	}
}

static void close_all(int *fds, unsigned int n)
{
	while (n-- > 0)
		fd_close(&fds[n]);
}

static void join(const int *procs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (write(procs[i], "0", 1) != 1)
			_exit(255);
}

/* A process that waits in a group. */
static pid_t in_group(const int *procs, unsigned int n)
{
	int pair[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		join(procs, n);
		if (write(pair[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pair[0], &byte, 1), 1);
	close(pair[0]);
	close(pair[1]);
	return pid;
}

/* The errno of who opens a node of that number, in the group whose files these are. */
static int open_in(const int *procs, unsigned int n, unsigned int minor_number, int flags)
{
	char path[64];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/node", dir);
	assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, minor_number)), 0);
	pid = fork();
	if (pid == 0) {
		join(procs, n);
		_exit(open(path, flags) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(unlink(path), 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

struct opens {
	unsigned int minor;
	int flags, error;
};

static void expect_opens(const struct device_rules *rules, const struct opens *want, size_t n_want)
{
	int procs[HIERARCHY_MAX];
	unsigned int n;
	struct limits_owned in_force;
	struct err e = {0};

	if (group_create(&tree, "listed", NULL, rules, procs, &n, &in_force, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < n_want; i++) {
		int r = open_in(procs, n, want[i].minor, want[i].flags);

		if (r != want[i].error)
			fail_msg("1:%u: %s, not %s", want[i].minor, strerror(r),
				strerror(want[i].error));
	}
	close_all(procs, n);
	assert_int_equal(group_remove(&tree, "listed", &e), 0);
}

#define EXPECT(rules, ...)                                                                         \
	expect_opens((rules), (const struct opens[]){__VA_ARGS__},                                 \
		ARRAY_LEN(((const struct opens[]){__VA_ARGS__})))

static struct device_rules list(const struct device_rule *v, uint32_t n)
{
	return (struct device_rules){.v = v, .n = n, .needed = true};
}

/* 1:5 is /dev/zero, 1:11 /dev/kmsg, which nobody has but by a rule. */
static void everybodys_and_own(void **state)
{
	static const struct device_rule reads[] = {
		{.kind = "c", .major = 1, .minor = 11, .access = "r"}};
	static const struct device_rule two[] = {
		{.kind = "c", .major = 1, .minor = 11, .access = "r"},
		{.kind = "a", .major = 1, .minor = 11, .access = "wm"}};
	static const struct device_rule any_minor[] = {
		{.kind = "c", .major = 1, .minor = -1, .access = "w"}};
	static const struct device_rule any_major[] = {
		{.kind = "c", .major = -1, .minor = 11, .access = "rw"}};
	static const struct device_rule others[] = {
		{.kind = "b", .major = 1, .minor = 11, .access = "rwm"},
		{.kind = "c", .major = 2, .minor = 11, .access = "rwm"},
		{.kind = "c", .major = 1, .minor = 12, .access = "rwm"},
		{.kind = "c", .major = -1, .minor = -1, .access = "m"}};
	static const struct device_rule all[] = {
		{.kind = "a", .major = -1, .minor = -1, .access = "rwm"}};
	struct device_rules rules;

	(void)state;
	need_list();
	EXPECT(NULL, {5, O_RDWR, 0}, {11, O_RDONLY, EPERM}, {11, O_WRONLY, EPERM});
	rules = list(reads, ARRAY_LEN(reads));
	EXPECT(&rules, {5, O_RDWR, 0}, {11, O_RDONLY, 0}, {11, O_WRONLY, EPERM},
		{11, O_RDWR, EPERM});
	rules = list(two, ARRAY_LEN(two));
	EXPECT(&rules, {11, O_RDONLY, 0}, {11, O_WRONLY, 0}, {11, O_RDWR, 0});
	rules = list(any_minor, ARRAY_LEN(any_minor));
	EXPECT(&rules, {11, O_RDONLY, EPERM}, {11, O_WRONLY, 0});
	rules = list(any_major, ARRAY_LEN(any_major));
	EXPECT(&rules, {11, O_RDWR, 0}, {12, O_RDONLY, EPERM});
	rules = list(others, ARRAY_LEN(others));
	EXPECT(&rules, {5, O_RDWR, 0}, {11, O_RDONLY, EPERM});
	rules = list(all, ARRAY_LEN(all));
	EXPECT(&rules, {11, O_RDWR, 0});
}

static unsigned int rows_now(void)
{
	struct devmap_row row;
	unsigned int n = 0;

	for (int r = devmap_next(tree.devices.map, NULL, &row); r == 0; n++)
		r = devmap_next(tree.devices.map, &row, &row);
	return n;
}

/* The rows of one group go with it, those of another stay; none is left of what failed. */
static void rows_go(void **state)
{
	static const struct device_rule many[] = {
		{.kind = "a", .major = 1, .minor = 11, .access = "rw"},
		{.kind = "c", .major = 7, .minor = -1, .access = "r"}};
	const struct device_rules rules = list(many, ARRAY_LEN(many));
	const char *const ids[] = {"one", "two"};
	const struct limits too_much = {.cpuset_cpus = "8191"};
	int procs[HIERARCHY_MAX], again[HIERARCHY_MAX];
	struct limits_owned in_force;
	unsigned int before, n, m;
	pid_t kill_me;
	struct err e = {0};

	(void)state;
	need_list();
	before = rows_now();
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		assert_int_equal(
			group_create(&tree, ids[i], NULL, &rules, procs, &n, &in_force, &e), 0);
		if (i == 0)
			close_all(procs, n);
	}
	assert_int_equal(rows_now(), before + 8); /* two of the first rule, and a mark */
	/* a second of that name is refused, and takes nothing from the first */
	kill_me = in_group(procs, n);
	assert_int_equal(
		group_create(&tree, "two", NULL, &rules, again, &m, &in_force, &e), -EEXIST);
	assert_int_equal(rows_now(), before + 8);
	kill(kill_me, SIGKILL);
	assert_int_equal(waitpid(kill_me, NULL, 0), kill_me);
	close_all(procs, n);
	assert_int_equal(group_remove(&tree, "one", &e), 0);
	assert_int_equal(rows_now(), before + 4);
	assert_int_equal(group_remove(&tree, "two", &e), 0);
	assert_int_equal(rows_now(), before);
	assert_true(group_create(&tree, "one", &too_much, &rules, procs, &n, &in_force, &e) < 0);
	assert_int_equal(rows_now(), before);
}

static void make_group(const char *id, const struct device_rules *rules)
{
	int procs[HIERARCHY_MAX];
	unsigned int n;
	struct limits_owned in_force;
	struct err e = {0};

	assert_int_equal(group_create(&tree, id, NULL, rules, procs, &n, &in_force, &e), 0);
	close_all(procs, n);
}

static void expect_told(const char *id, const char *want)
{
	struct device_list told;
	char text[2048] = "";
	struct err e = {0};

	assert_int_equal(devices_read(&tree, id, &told, &e), 0);
	for (unsigned int i = 0; i < told.n; i++)
		strcat(strcat(text, told.v[i]), "|");
	assert_string_equal(text, want);
}

/* Everybody's and its own, and not another's; of who is not there, none. */
static void read_back(void **state)
{
	static const struct device_rule own[] = {
		{.kind = "c", .major = 7, .minor = -1, .access = "mr"},
		{.kind = "a", .major = 1, .minor = 11, .access = "wr"},
		{.kind = "c", .major = 1, .minor = 3, .access = "r"}};
	static const struct device_rule other[] = {
		{.kind = "c", .major = -1, .minor = -1, .access = "w"}};
	const struct device_rules rules = list(own, ARRAY_LEN(own)),
				  others = list(other, ARRAY_LEN(other));
	struct err e = {0};

	(void)state;
	need_list();
	make_group("told", &rules);
	make_group("other", &others);
	/* 1:3 is everybody's row and one of its own. */
	expect_told("told", "b 1:11 rw|c 1:3 rw|c 1:5 rw|c 1:7 rw|c 1:8 rw|c 1:9 rw|"
			    "c 1:11 rw|c 5:0 rw|c 5:2 rw|c 7:* r|c 136:* rw|");
	expect_told("other", "c 1:3 rw|c 1:5 rw|c 1:7 rw|c 1:8 rw|c 1:9 rw|c 5:0 rw|c 5:2 rw|"
			     "c 136:* rw|c *:* w|");
	assert_int_equal(group_remove(&tree, "told", &e), 0);
	assert_int_equal(group_remove(&tree, "other", &e), 0);
	expect_told("told", "");
	make_group("told", NULL);
	if (tree.devices.v1)
		expect_told("told", "c 1:3 rw|c 1:5 rw|c 1:7 rw|c 1:8 rw|c 1:9 rw|c 5:0 rw|"
				    "c 5:2 rw|c 136:* rw|c *:* m|b *:* m|");
	else
		expect_told("told", "c 1:3 rw|c 1:5 rw|c 1:7 rw|c 1:8 rw|c 1:9 rw|c 5:0 rw|"
				    "c 5:2 rw|c 136:* rw|");
	assert_int_equal(group_remove(&tree, "told", &e), 0);
}

/* The next cgroupd goes on with what this one has written. */
static void taken_over(void **state)
{
	static const struct device_rule reads[] = {
		{.kind = "c", .major = 1, .minor = 11, .access = "r"}};
	const struct device_rules rules = list(reads, ARRAY_LEN(reads));
	int procs[HIERARCHY_MAX];
	unsigned int n, rows;
	struct limits_owned in_force;
	struct err e = {0};

	(void)state;
	need_list();
	assert_int_equal(group_create(&tree, "kept", NULL, &rules, procs, &n, &in_force, &e), 0);
	rows = rows_now();
	for (int i = 0; i < 3; i++) {
		devices_close(&tree.devices);
		tree.devices = DEVICES_NONE;
		devices_open(&tree);
		assert_true(tree.devices.program >= 0);
		assert_int_equal(rows_now(), rows);
		assert_int_equal(open_in(procs, n, 11, O_RDONLY), 0);
		assert_int_equal(open_in(procs, n, 11, O_WRONLY), EPERM);
	}
	close_all(procs, n);
	assert_int_equal(group_remove(&tree, "kept", &e), 0);
}

static const struct branch *v2(void)
{
	for (unsigned int i = 0; i < tree.n; i++)
		if (tree.b[i].version == 2)
			return &tree.b[i];
	return NULL;
}

/* What another version allowed everybody is so no longer. */
static void everybodys_of_another(void **state)
{
	const struct devmap_row foreign = {.kind = BPF_DEVCG_DEV_CHAR, .major = 1, .minor = 11};
	const struct branch *b = tree_find(&tree, CTL_DEVICES);
	char listed[CONTROL_MAX];

	(void)state;
	need_list();
	assert_int_equal(devmap_set(tree.devices.map, &foreign, BPF_DEVCG_ACC_READ), 0);
	if (tree.devices.v1)
		assert_int_equal(fd_write_file_at(b->base_fd, "devices.allow", "c 1:11 r"), 0);
	devices_close(&tree.devices);
	tree.devices = DEVICES_NONE;
	devices_open(&tree);
	assert_int_equal(devmap_unset(tree.devices.map, &foreign), -ENOENT);
	if (tree.devices.v1) {
		assert_int_equal(group_read_control(b->base_fd, "devices.list", listed), 0);
		assert_null(strstr(listed, "c 1:11 r"));
		assert_non_null(strstr(listed, "c 1:5 rw"));
	}
	EXPECT(NULL, {5, O_RDWR, 0}, {11, O_RDONLY, EPERM});
}

/* What was started by a version without lists keeps all; what comes later does not. */
static void older_ones(void **state)
{
	static const struct device_rule reads[] = {
		{.kind = "c", .major = 1, .minor = 11, .access = "r"}};
	const struct device_rules rules = list(reads, ARRAY_LEN(reads));
	union bpf_attr a;
	int procs[HIERARCHY_MAX];
	unsigned int n;
	struct limits_owned in_force;
	struct err e = {0};

	(void)state;
	need_list();
	memset(&a, 0, sizeof(a));
	a.target_fd = (uint32_t)v2()->base_fd;
	a.attach_bpf_fd = (uint32_t)tree.devices.program;
	a.attach_type = BPF_CGROUP_DEVICE;
	assert_int_equal(group_create(&tree, "older", NULL, &rules, procs, &n, &in_force, &e), 0);
	assert_int_equal(syscall(SYS_bpf, BPF_PROG_DETACH, &a, sizeof(a)), 0);
	devices_close(&tree.devices);
	tree.devices = DEVICES_NONE;
	devices_open(&tree);
	assert_int_equal(open_in(procs, n, 11, O_RDWR), 0);
	EXPECT(&rules, {11, O_RDONLY, 0}, {11, O_RDWR, EPERM});
	close_all(procs, n);
	assert_int_equal(group_remove(&tree, "older", &e), 0);
}

/* Slices above it, and a cgroup that a container has made within its own. */
static void deeper(void **state)
{
	static const struct device_rule reads[] = {
		{.kind = "c", .major = 1, .minor = 11, .access = "r"}};
	const struct device_rules rules = list(reads, ARRAY_LEN(reads));
	int procs[HIERARCHY_MAX], own;
	unsigned int n;
	struct limits_owned in_force;
	struct err e = {0};

	(void)state;
	need_list();
	assert_int_equal(group_create(&tree, "web.slice/web-a.slice/deep", NULL, &rules, procs, &n,
				 &in_force, &e),
		0);
	assert_int_equal(open_in(procs, n, 11, O_RDONLY), 0);
	assert_int_equal(open_in(procs, n, 11, O_WRONLY), EPERM);
	assert_int_equal(mkdirat(v2()->base_fd, "web.slice/web-a.slice/deep/own", 0755), 0);
	own = openat(
		v2()->base_fd, "web.slice/web-a.slice/deep/own/cgroup.procs", O_WRONLY | O_CLOEXEC);
	assert_true(own >= 0);
	assert_int_equal(open_in(&own, 1, 11, O_RDONLY), 0);
	assert_int_equal(open_in(&own, 1, 11, O_WRONLY), EPERM);
	close(own);
	assert_int_equal(
		unlinkat(v2()->base_fd, "web.slice/web-a.slice/deep/own", AT_REMOVEDIR), 0);
	close_all(procs, n);
	assert_int_equal(group_remove(&tree, "web.slice/web-a.slice/deep", &e), 0);
}

/* A hierarchy that is there for lists alone is done without where it can't be had. */
static void optional(void **state)
{
	struct tree t;
	struct layout l;
	char other[sizeof(name) + 1];
	struct err e = {0};

	(void)state;
	need_host();
	snprintf(other, sizeof(other), "%sx", name);
	assert_int_equal(discover_host(&l, &e), 0);
	assert_true(l.n < HIERARCHY_MAX);
	l.h[l.n] = (struct hierarchy){.version = 2, .optional = true, .mount = "/no/such/place"};
	l.n++;
	assert_int_equal(tree_open(&t, &l, other, &e), 0);
	assert_int_equal(t.n, l.n - 1);
	tree_close(&t);
	strcpy(l.h[l.n - 1].mount, "/proc/self/fd"); /* nobody makes a directory there */
	assert_int_equal(tree_open(&t, &l, other, &e), 0);
	assert_int_equal(t.n, l.n);
	assert_int_equal(tree_prepare(&t, &e), 0);
	assert_int_equal(t.n, l.n - 1);
	assert_int_equal(tree_teardown(&t, &e), 0);
	tree_close(&t);
	l.h[l.n - 1].optional = false;
	assert_int_equal(tree_open(&t, &l, other, &e), 0);
	assert_true(tree_prepare(&t, &e) < 0);
	tree_close(&t);
}

static void refused(void **state)
{
	static const struct device_rule bad[] = {
		{.kind = "x", .major = 1, .minor = 1, .access = "r"},
		{.kind = "", .major = 1, .minor = 1, .access = "r"},
		{.kind = "cb", .major = 1, .minor = 1, .access = "r"},
		{.kind = "c", .major = 4096, .minor = 1, .access = "r"},
		{.kind = "c", .major = -2, .minor = 1, .access = "r"},
		{.kind = "c", .major = 1, .minor = 1048576, .access = "r"},
		{.kind = "c", .major = 1, .minor = -2, .access = "r"},
		{.kind = "c", .major = 1, .minor = 1, .access = ""},
		{.kind = "c", .major = 1, .minor = 1, .access = "rx"}};
	struct tree none = {.devices = DEVICES_NONE};
	struct device_rules rules;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		rules = list(&bad[i], 1);
		assert_int_equal(devices_check(&none, &rules, &e), -EINVAL);
	}
	rules = list(NULL, 0);
	assert_int_equal(devices_check(&none, &rules, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "no list of devices of one's own: it takes cgroup v2"));
	rules.needed = false;
	assert_int_equal(devices_check(&none, &rules, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybodys_and_own),
		cmocka_unit_test(rows_go),
		cmocka_unit_test(read_back),
		cmocka_unit_test(taken_over),
		cmocka_unit_test(everybodys_of_another),
		cmocka_unit_test(older_ones),
		cmocka_unit_test(deeper),
		cmocka_unit_test(optional),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, set_up_devices, tear_down_devices);
}
