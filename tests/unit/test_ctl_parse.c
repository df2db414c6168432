/* SPDX-License-Identifier: MIT */
/*
 * Values of flags: what is taken, what is refused, and that nothing is rounded.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/ctl/devices.h"
#include "supervisor/ctl/parse.h"

typedef int check_fn(const char *s, struct err *e);

static void expect(check_fn *fn, int want, const char *const *words)
{
	for (; *words; words++) {
		struct err e = {0};

		if (fn(*words, &e) != want)
			fail_msg("\"%s\": got %d (%s), wanted %d", *words, -e.code, e.text, want);
		if (want < 0 && !e.text[0])
			fail_msg("\"%s\": refused without a word", *words);
	}
}
#define TAKES(fn, ...)	 expect(fn, 0, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSES(fn, ...) expect(fn, -EINVAL, (const char *const[]){__VA_ARGS__, NULL})

static void test_words(void **state)
{
	(void)state;
	TAKES(check_name, "a", "web-1", "A_b.c", "0");
	REFUSES(check_name, "", "-a", ".a", "a b", "a/b", "ä", "a\n");
	TAKES(check_hostname, "web", "a.b", "x-1");
	REFUSES(check_hostname, "", "-a", "a.", "a..b", "a b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	TAKES(check_env, "A", "A=", "A=b=c");
	REFUSES(check_env, "", "=b");
	TAKES(check_capability, "NET_ADMIN", "net_admin", "CAP_SYS_PTRACE", "ALL", "all");
	REFUSES(check_capability, "", "CAP_", "NET_ADMINN", "cap_cap_chown", "*");
	TAKES(check_sysctl, "net.ipv4.ip_forward=1", "kernel.msgmax=1", "fs.mqueue.msg_max=1");
	REFUSES(check_sysctl, "kernel.panic=1", "net.ipv4.ip_forward", "vm.swappiness=1",
		"net..x=1", "");
	TAKES(check_platform, "linux/amd64", "linux/arm/v7");
	REFUSES(check_platform, "linux", "linux/", "a b/c");
}

static void test_signals(void **state)
{
	static const struct {
		const char *word;
		uint32_t signal;
	} good[] = {{"9", 9}, {"KILL", 9}, {"SIGKILL", 9}, {"sigterm", 15}, {"RTMIN", 34},
		{"SIGRTMIN+3", 37}, {"RTMAX-1", 63}, {"64", 64}, {"HUP", 1}};
	uint32_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(parse_signal(good[i].word, &v, NULL), 0);
		assert_int_equal(v, good[i].signal);
	}
	REFUSES(check_signal, "0", "SIGBAD", "", "65", "99999", "-9", "+9", "9 ", "SIG", "RTMIN+31",
		"RTMAX+1", "SIG9", "09");
	assert_string_equal(signal_name(15), "TERM");
}

static void test_ports(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct port_list l = {0};

	(void)state;
	assert_int_equal(parse_publish("127.0.0.1:8000-8002:80-82/udp", &a, &l, NULL), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[2].host_ip, "127.0.0.1");
	assert_int_equal(l.v[2].host_port, 8002);
	assert_int_equal(l.v[2].container_port, 82);
	assert_string_equal(l.v[2].proto, "udp");
	assert_int_equal(parse_publish("80", &a, &l, NULL), 0);
	assert_null(l.v[3].host_ip);
	assert_int_equal(l.v[3].host_port, 0);
	assert_string_equal(l.v[3].proto, "tcp");
	assert_int_equal(parse_publish("[::1]:81:80", &a, &l, NULL), 0);
	assert_string_equal(l.v[4].host_ip, "::1");
	assert_int_equal(parse_publish("10.0.0.1::80", &a, &l, NULL), 0);
	assert_int_equal(l.v[5].host_port, 0);
	assert_int_equal(parse_publish("[::1]:81:90", &a, &l, NULL), -EINVAL);
	TAKES(check_publish, "1:65535", "0:80", ":80", "80/TCP", "65535", "5-6:7-8");
	REFUSES(check_publish, "", "0", "65536", "a", "80:", "1:2:3:4", "80/sctp", "80/", "1-2:3",
		"2-1:2-1", "::1:80:80", "[::1]80", "1.2.3:80:80", "-1", "80-", "08080:80", "1:2-1",
		"1-300:1-300", " 80");
}

static void test_mounts(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct mount_list l = {0};
	struct err e;

	(void)state;
	assert_int_equal(parse_volume("/a b:/c//d/../e/:ro,rslave,Z", &a, &l, NULL), 0);
	assert_string_equal(l.v[0].source, "/a b");
	assert_string_equal(l.v[0].target, "/c/e");
	assert_true(l.v[0].readonly);
	assert_string_equal(l.v[0].options, "rslave,Z");
	assert_int_equal(parse_mount("type=bind,src=./x,dst=/y,ro=false", &a, &l, NULL), 0);
	assert_false(l.v[1].readonly);
	assert_int_equal(
		parse_mount("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777", &a, &l, NULL),
		0);
	assert_string_equal(l.v[2].options, "size=64m,mode=1777");
	assert_int_equal(parse_mount("type=bind,\"src=/a,b\",dst=/q", &a, &l, NULL), 0);
	assert_string_equal(l.v[3].source, "/a,b");
	assert_int_equal(parse_tmpfs("/run:ro,size=1g", &a, &l, NULL), 0);
	assert_true(l.v[4].readonly);

	assert_int_equal(parse_volume("/z:/c/./e", &a, &l, &e), -EINVAL);
	assert_string_equal(e.text, "two mounts at the same place /c/e");
	assert_int_equal(parse_tmpfs("/run", &a, &l, &e), -EINVAL);
	assert_int_equal(parse_volume("data:/d", &a, &l, &e), -EINVAL);
	assert_non_null(strstr(e.text, "named volumes are not supported yet"));
	assert_int_equal(l.n, 5);
}

static int check_volume_word(const char *s, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct mount_list l = {0};

	return parse_volume(s, &a, &l, e);
}

static int check_mount_word(const char *s, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct mount_list l = {0};

	return parse_mount(s, &a, &l, e);
}

static int check_tmpfs_word(const char *s, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct mount_list l = {0};

	return parse_tmpfs(s, &a, &l, e);
}

static void test_bad_mounts(void **state)
{
	(void)state;
	REFUSES(check_volume_word, "", "/c", ":/c", "/h:", "/h:c", "/h:/", "/h:/..", "/h:/c:rx",
		"h/x:/c", "/h:/c:rshared", "~/x:/c");
	REFUSES(check_mount_word, "", "type=bind", "type=bind,src=/a", "type=bind,dst=/a",
		"type=nfs,src=/a,dst=/b", "type=bind,src=/a,dst=/b,foo=1",
		"type=volume,src=x,dst=/b", "type=tmpfs,src=/a,dst=/b",
		"type=bind,src=/a,dst=/b,tmpfs-size=1m", "type=bind,src=,dst=/b", "src=/a,dst=/b",
		"type=tmpfs,dst=/b,tmpfs-size=x", "type=bind,src=/a,dst=/b,ro=perhaps");
	REFUSES(check_tmpfs_word, "", "run", "/", "/run:sizee=1", "/run:mode=9", "/run:uid=-1",
		"/run:size=", "/run:nodiratime");
	TAKES(check_tmpfs_word, "/run", "/run:", "/run:mode=755,uid=1,noexec");
}

static int check_device_word(const char *s, struct err *e)
{
	_cleanup_arena_ struct arena a = {0};
	struct mount_list l = {0};

	return parse_device(s, &a, &l, e);
}

static void test_devices(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct mount_list l = {0};

	(void)state;
	assert_int_equal(parse_device("/dev/full", &a, &l, NULL), 0);
	assert_int_equal(parse_device("/dev/zero:r", &a, &l, NULL), 0);
	assert_int_equal(parse_device("/dev/null:/dev//x/../y:mw", &a, &l, NULL), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0].kind, "device");
	assert_string_equal(l.v[0].target, "/dev/full");
	assert_string_equal(l.v[0].options, "rwm");
	assert_string_equal(l.v[1].target, "/dev/zero");
	assert_string_equal(l.v[1].options, "r");
	assert_string_equal(l.v[2].source, "/dev/null");
	assert_string_equal(l.v[2].target, "/dev/y");
	assert_string_equal(l.v[2].options, "mw");
	assert_string_equal(l.v[2].node->kind, "c");
	assert_int_equal(l.v[2].node->major, 1);
	assert_int_equal(l.v[2].node->minor, 3);
	assert_string_equal(l.v[2].node->access, "mw");
	REFUSES(check_device_word, "", ":", "full", "/dev/full:", "/dev/full:x", "/dev/full:m",
		"/dev/full:rr:r", "/dev/full:/", "/dev/full:/a:", "/dev/full:/a:rwmx",
		"/dev/full:/a:rwmr", "/dev/full:/a:r:", "/etc/passwd", "/proc/self");
}

static void test_device_rules(void **state)
{
	struct device_rule r;

	(void)state;
	TAKES(check_device_rule, "a *:* rwm", "c 1:3 r", "b 7:* rw", "c *:229 wr",
		"c 4095:1048575 m");
	REFUSES(check_device_rule, "", "c", "c:", "c ", "d 1:3 r", "cc 1:3 r", "c 1 3 r", "c 1:3",
		"c 1:3 ", "c 1:3 x", "c 1:3 rwmr", "c 1:3  r", " c 1:3 r", "c 4096:1 r",
		"c 1:1048576 r", "c -1:3 r", "c 1:-1 r", "c 0x1:3 r", "c 1:3 r ", "c :3 r",
		"c 1: r", "c **:3 r", "c 1:3:4 r", "c 11111111111111111111:3 r");
	assert_int_equal(parse_device_rule("c 189:* wr", &r, NULL), 0);
	assert_string_equal(r.kind, "c");
	assert_int_equal(r.major, 189);
	assert_int_equal(r.minor, -1);
	assert_string_equal(r.access, "wr");
}

static void test_single_limits(void **state)
{
	(void)state;
	TAKES(check_memory, "9223372036854706176", "-1", "6m", "512M", "1.5g", ".5g", "1gb",
		"6291456", "6295552", "0", "0m");
	REFUSES(check_memory, "", "5m", "6291455", "-2", "1q", "1e9", "99999999999g");
	TAKES(check_memory_swap, "-1", "0", "1g");
	REFUSES(check_memory_swap, "-2", "x");
	TAKES(check_cpus, "0.05", "2.5", "1", "0.01", "0", "1.50", ".5");
	REFUSES(check_cpus, "0.001", "0.015", "", "-1", "1,5", ".", "..5", ".5.", "1.", "abc",
		"819300");
	TAKES(check_cpu_quota, "-1", "0", "1000", "50000");
	REFUSES(check_cpu_quota, "999", "-2", "x");
	TAKES(check_cpu_period, "0", "1000", "1000000");
	REFUSES(check_cpu_period, "999", "1000001", "-1");
	TAKES(check_cpu_shares, "0", "2", "262144");
	REFUSES(check_cpu_shares, "1", "262145", "-1");
	TAKES(check_cpuset, "", "0", "0-2,5", "1,3");
	REFUSES(check_cpuset, "0-", "2-1", ",1", "1,", "a", "0--1", "1-2-3", "65536");
	TAKES(check_swappiness, "-1", "0", "100");
	REFUSES(check_swappiness, "", "-2", "101", "x");
	TAKES(check_blkio_weight, "0", "10", "1000");
	REFUSES(check_blkio_weight, "", "9", "1001", "-1");
	TAKES(check_device_bps, "/dev/sda:1m", "/dev/a:b:5", "/dev/sda:-1", "/dev/sda:0");
	REFUSES(check_device_bps, "", "/dev/sda", "/dev/sda:", "sda:1m", "/dev/sda:-2",
		"/dev/sda:x");
	TAKES(check_device_iops, "/dev/sda:100", "/dev/sda:4294967295", "/dev/sda:-1");
	REFUSES(check_device_iops, "/dev/sda:1m", "/dev/sda:4294967296");
	TAKES(check_hugepage, "2MB=64m", "2m=0", "1GB=-1", "64kb=64k", "1G=4g");
	REFUSES(check_hugepage, "", "2MB", "2MB=", "=2m", "4MB=4m", "2MB=1m", "2MB=3m", "1GB=2m",
		"2MB=-2", "2MB=x", "2MB:2m", "2MB=9223372036854775807");
	TAKES(check_pids, "-1", "0", "20");
	REFUSES(check_pids, "-2", "4194305", "x", "");
	TAKES(check_umask, "0", "022", "0777");
	REFUSES(check_umask, "8", "01000", "", "-1");
	TAKES(check_oom_score, "-1000", "1000", "0");
	REFUSES(check_oom_score, "1001", "-1001", "--1");
	TAKES(check_ulimit, "nofile=1024", "nofile=10:20", "core=-1", "nproc=unlimited",
		"core=0:unlimited");
	REFUSES(check_ulimit, "nofile", "files=1", "nofile=20:10", "nofile=", "nofile=-1:10", "=1",
		"nofile=1:2:3");
}

/* What the kernel would bend is refused, and the sentence says what could be had. */
static void test_nearest(void **state)
{
	static const struct {
		int (*check)(const char *s, struct err *e);
		const char *s, *nearest;
	} rows[] = {
		{check_memory, "5m", "6291456 bytes"},
		{check_memory, "1", "6291456 bytes"},
		{check_memory, "10000001", "9998336 bytes"},
		{check_memory, "9999999t", "9223372036854706176 bytes"},
		{check_memory, "1.1g", "1181114368 bytes"},
		{check_memory_swap, "4097", "4096 bytes"},
		{check_cpu_quota, "999", "1000 microseconds"},
		{check_cpu_period, "1000001", "1000000 microseconds"},
		{check_cpu_shares, "1", "2"},
		{check_cpu_shares, "99999999999999999999999", "262144"},
		{check_pids, "4194305", "4194304"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};
		char want[128];

		snprintf(want, sizeof(want),
			"\"%s\": the kernel can't hold that, the nearest it can is %s", rows[i].s,
			rows[i].nearest);
		assert_int_equal(rows[i].check(rows[i].s, &e), -EINVAL);
		assert_string_equal(e.text, want);
	}
}

static void test_limits(void **state)
{
	struct limit_words w = {
		.memory = "128m", .memory_swap = "128m", .cpus = "2.5", .pids = "0"};
	struct arena a = {0};
	struct limits l;
	bool any;
	struct err e;

	(void)state;
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_true(any);
	assert_int_equal(l.memory, 128 << 20);
	assert_int_equal(l.memory_swap, 128 << 20);
	assert_int_equal(l.cpu_quota, 250000);
	assert_int_equal(l.cpu_period, 100000);
	assert_int_equal(l.pids, -1);
	w = (struct limit_words){.cpus = "0.05"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_int_equal(l.cpu_quota, 5000);
	w = (struct limit_words){.cpus = "2", .host_cpus = 2};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	w = (struct limit_words){.cpus = "2.01", .host_cpus = 2};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	assert_string_equal(e.text, "--cpus 2.01: this host has 2, the nearest is 2");
	w = (struct limit_words){0};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_false(any);
	w = (struct limit_words){.cpus = "1", .cpu_quota = "1000"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	w = (struct limit_words){.memory = "64m", .memory_swap = "63m"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	w = (struct limit_words){.memory_swap = "63m"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	w = (struct limit_words){.memory = "64m", .memory_reservation = "65m"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	w = (struct limit_words){.memory_swap = "63m", .update = true};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	w = (struct limit_words){.swappiness = "0"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_true(any && l.swappiness_set);
	w = (struct limit_words){.read_bps = {(const char *[]){"/dev/null:1m"}, 1}};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	assert_string_equal(e.text, "--device-read-bps: /dev/null is no disk");
	arena_free(&a);
}

/* docker's "not set", which goes with whatever else is said. */
static void test_limits_of_0(void **state)
{
	struct limit_words w = {.memory = "0",
		.memory_swap = "0b",
		.memory_reservation = "0",
		.cpus = "0",
		.cpu_shares = "0",
		.cpu_period = "0",
		.cpu_quota = "0",
		.blkio_weight = "0",
		.swappiness = "-1",
		.cpuset_cpus = "",
		.cpuset_mems = ""};
	const struct limits none = {0};
	struct arena a = {0};
	struct limits l;
	bool any;
	struct err e;

	(void)state;
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_memory_equal(&l, &none, sizeof(l));
	assert_false(any);
	w = (struct limit_words){.cpus = "0", .cpu_period = "50000", .cpu_quota = "0"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_int_equal(l.cpu_period, 50000);
	w = (struct limit_words){.cpus = "1.5", .cpu_period = "0", .cpu_quota = "0"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_int_equal(l.cpu_quota, 150000);
	w = (struct limit_words){.memory = "0", .memory_swap = "-1", .memory_reservation = "64m"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), 0);
	assert_int_equal(l.memory_swap, -1);
	assert_int_equal(l.memory_reservation, 64 << 20);
	w = (struct limit_words){.memory = "0", .memory_swap = "64m"};
	assert_int_equal(parse_limits(&w, &a, &l, &any, &e), -EINVAL);
	assert_string_equal(e.text, "--memory-swap needs --memory");
	arena_free(&a);
}

static void test_network(void **state)
{
	(void)state;
	TAKES(check_mac, "02:42:ac:11:00:02", "AA:00:00:00:00:01");
	REFUSES(check_mac, "01:00:00:00:00:01", "02:42:ac:11:00", "02:42:ac:11:00:02:03",
		"2:42:ac:11:00:02", "02-42-ac-11-00-02", "", " 2:42:ac:11:00:02");
	TAKES(check_add_host, "db:10.0.0.1", "db:::1", "gw:host-gateway");
	REFUSES(check_add_host, "db", "db:", ":1.2.3.4", "db:1.2.3", "d b:1.2.3.4");
	TAKES(check_network, "bridge", "none", "host");
	REFUSES(check_network, "", "container:x", "nonet");
	REFUSES(check_ip4, "1.2.3", "::1", "");
	REFUSES(check_ip6, "1.2.3.4", "");
}

static void test_restart(void **state)
{
	(void)state;
	TAKES(check_restart, "no", "always", "unless-stopped", "on-failure", "on-failure:0",
		"on-failure:2147483647");
	REFUSES(check_restart, "", "Always", "always:1", "no:0",
		"unless-stopped:", "on-failure:", "on-failure:-1", "on-failure:2147483648",
		"on-failure:1:2", "on-fail");
}

static void test_health(void **state)
{
	struct health_words w = {.cmd = "x", .interval = "1m30s", .retries = "4"};
	struct arena a = {0};
	struct health h = {0};
	struct err e;
	bool any;

	(void)state;
	TAKES(check_health_time, "0s", "1ms", "500ms", "1h30m", "1.5s");
	REFUSES(check_health_time, "", "5", "-1s", "1us", "999us", "x", "1s2");
	TAKES(check_health_retries, "0", "2147483647");
	REFUSES(check_health_retries, "", "-1", "2147483648", "3x");
	TAKES(check_health_action, "none", "kill", "restart", "stop");
	REFUSES(check_health_action, "", "Kill", "pause");
	assert_int_equal(parse_health(&w, &a, &h, &any, &e), 0);
	assert_true(any && h.test.n == 2 && h.interval == 90000000000U && h.retries == 4);
	assert_string_equal(h.test.v[0], "CMD-SHELL");
	w.none = true;
	assert_int_equal(parse_health(&w, &a, &h, &any, &e), -EINVAL);
	w = (struct health_words){.cmd = ""};
	h = (struct health){0};
	assert_int_equal(parse_health(&w, &a, &h, &any, &e), 0);
	assert_false(any || h.test.n);
	arena_free(&a);
}

static void test_detach_keys(void **state)
{
	struct detach_keys k;

	(void)state;
	assert_int_equal(parse_detach_keys("", &k, NULL), 0);
	assert_int_equal(k.n, 2);
	assert_int_equal(k.v[0], 0x10);
	assert_int_equal(k.v[1], 0x11);
	assert_int_equal(parse_detach_keys("a,ctrl-],ctrl-@", &k, NULL), 0);
	assert_int_equal(k.n, 3);
	assert_int_equal(k.v[1], 0x1d);
	assert_int_equal(k.v[2], 0);
	REFUSES(check_detach_keys, "ctrl-", "ab", "ctrl-1", "a,,b,", "ctrl-aa");
}

static uint64_t at(const char *s)
{
	struct err e = {0};
	uint64_t v;

	if (parse_time(s, 10000000000000000000U, &v, &e) < 0)
		fail_msg("\"%s\": %s", s, e.text);
	return v;
}

static int check_moment(const char *s, struct err *e)
{
	uint64_t v;

	return parse_time(s, 0, &v, e);
}

static void test_times(void **state)
{
	(void)state;
	assert_true(at("1970-01-01T00:00:01.5Z") == 1500000000U);
	assert_true(at("2026-11-22T19:00:00.123456789Z") == 1795374000123456789U);
	assert_true(at("2026-11-22T21:00:00+02:00") == 1795374000000000000U);
	assert_true(at("1795374000") == 1795374000000000000U);
	assert_true(at("1795374000.000000001") == 1795374000000000001U);
	assert_true(at("1h30m") == 10000000000000000000U - 5400000000000U);
	assert_true(at("1.5s") == 10000000000000000000U - 1500000000U);
	REFUSES(check_moment, "", "yesterday", "10x", "2026-13-01T00:00:00Z",
		"2026-01-01T00:00:00.Z", "-5m");
}

static void test_env_lines(void **state)
{
	char text[] = "# no\n\nA=1\r\n  B=x y=z \nPARSE_TEST_VARIABLE\nPARSE_TEST_UNSET\n",
	     bad[] = "A=1\nB C=2\n";
	_cleanup_arena_ struct arena a = {0};
	struct strv l = {0};
	struct err e;

	(void)state;
	setenv("PARSE_TEST_VARIABLE", "v", 1);
	assert_int_equal(parse_env_lines(text, true, &a, &l, NULL), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0], "A=1");
	assert_string_equal(l.v[1], "B=x y=z ");
	assert_string_equal(l.v[2], "PARSE_TEST_VARIABLE=v");
	assert_int_equal(parse_env_lines(bad, true, &a, &l, &e), -EINVAL);
	assert_non_null(strstr(e.text, "line 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_bad_mounts),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_device_rules),
		cmocka_unit_test(test_single_limits),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limits_of_0),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_detach_keys),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_env_lines),
	};

	return cmocka_run_group_tests_name("ctl_parse", tests, NULL, NULL);
}
