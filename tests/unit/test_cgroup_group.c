/* SPDX-License-Identifier: MIT */
/*
 * Groups in this machine's own hierarchies, whichever version they are: made and served by a
 * process without capabilities, joined by one that has no privilege at all. Needs root to set that
 * up.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cgroupd/apply.h"
#include "cgroupd/cgroupd.h"
#include "cgroupd/group.h"
#include "cgroupd/profile.h"
#include "frame.h"
#include "userns.h"

#define MIB(n)	 ((uint64_t)(n) << 20)
#define INNER_ID 100000

static struct tree tree;
static char name[32];

static int set_up(void **state)
{
	struct layout l;
	struct err e = {0};

	(void)state;
	snprintf(name, sizeof(name), "tcgu%d", getpid());
	if (geteuid() != 0 || discover_host(&l, &e) < 0)
		return 0;
	if (tree_open(&tree, &l, name, &e) < 0 || tree_prepare(&tree, &e) < 0) {
		print_error("%s\n", e.text);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	struct err e = {0};
	int r = tree_teardown(&tree, &e);

	(void)state;
	if (r < 0)
		print_error("%s\n", e.text);
	tree_close(&tree);
	return r;
}

static void need_host(void)
{
	if (tree.n == 0) {
		print_message("skipped: needs root and cgroups\n");
		skip();
	}
}

static void need(enum controller c)
{
	need_host();
	if (!tree_find(&tree, c)) {
		print_message("skipped: this host has no %s controller\n", controller_name(c));
		skip();
	}
}

/* Makes a group, closes its descriptors. */
static int make(const char *id, const struct limits *l, struct limits_owned *r, struct err *e)
{
	int procs[HIERARCHY_MAX], k;
	unsigned int n = 0;

	k = group_create(&tree, id, l, procs, &n, r, e);
	assert_int_equal(k == 0 ? tree.n : 0, n);
	while (n-- > 0)
		fd_close(&procs[n]);
	return k;
}

static unsigned int dirs_of(const char *id)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < tree.n; i++)
		n += faccessat(tree.b[i].base_fd, id, F_OK, 0) == 0;
	return n;
}

static void expect_limits(const struct limits *a, const struct limits *b)
{
	assert_int_equal(a->memory, b->memory);
	assert_int_equal(a->memory_swap, b->memory_swap);
	assert_int_equal(a->memory_reservation, b->memory_reservation);
	assert_int_equal(a->cpu_quota, b->cpu_quota);
	assert_int_equal(a->cpu_period, b->cpu_period);
	assert_int_equal(a->pids, b->pids);
	assert_string_equal(
		a->cpuset_cpus ? a->cpuset_cpus : "", b->cpuset_cpus ? b->cpuset_cpus : "");
}

static void limits_in_force(void **state)
{
	struct limits want = {.memory = MIB(64),
		.memory_swap = (int64_t)MIB(96),
		.memory_reservation = MIB(32),
		.cpu_quota = 250000,
		.cpu_period = 100000,
		.cpu_shares = 512,
		.pids = 20};
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_MEMORY);
	need(CTL_CPU);
	need(CTL_PIDS);
	if (!tree.swap_accounting) {
		print_message("skipped: this kernel doesn't account swap\n");
		skip();
	}
	assert_int_equal(make("limits", &want, &r, &e), 0);
	assert_int_equal(dirs_of("limits"), tree.n);
	expect_limits(&r.limits, &want);
	assert_int_equal(r.limits.cpu_shares, 512);
	assert_int_equal(group_read_limits(&tree, "limits", &r, &e), 0);
	expect_limits(&r.limits, &want);
	/* Empty, it is what a crash left: made anew. */
	assert_int_equal(make("limits", NULL, &r, &e), 0);
	assert_int_equal(group_read_limits(&tree, "limits", &r, &e), 0);
	assert_int_equal(r.limits.memory, 0);
	assert_int_equal(group_remove(&tree, "limits", &e), 0);
	assert_int_equal(dirs_of("limits"), 0);
	assert_int_equal(group_read_limits(&tree, "limits", &r, &e), -ENOENT);
	assert_int_equal(group_remove(&tree, "limits", &e), 0);
}

/* v1 demands memory <= total at every step, up and down. */
static void raised_and_lowered(void **state)
{
	static const struct {
		uint64_t memory, total;
	} steps[] = {{64, 64}, {256, 256}, {32, 32}, {128, 512}, {256, 300}, {16, 16}};
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_MEMORY);
	if (!tree.swap_accounting) {
		print_message("skipped: this kernel doesn't account swap\n");
		skip();
	}
	assert_int_equal(make("raise", NULL, &r, &e), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(steps); i++) {
		struct limits l = {.memory = MIB(steps[i].memory),
			.memory_swap = (int64_t)MIB(steps[i].total)};

		if (apply_limits(&tree, "raise", &l, &r, &e) < 0)
			fail_msg("step %u: %s", i, e.text);
		assert_int_equal(group_read_limits(&tree, "raise", &r, &e), 0);
		assert_int_equal(r.limits.memory, l.memory);
		assert_int_equal(r.limits.memory_swap, l.memory_swap);
	}
	assert_int_equal(group_remove(&tree, "raise", &e), 0);
}

static void refused_and_undone(void **state)
{
	const struct limits v[] = {{.cpuset_cpus = "8191"}, {.cpuset_mems = "0-1023"},
		{.cpu_quota = INT64_MAX, .cpu_period = 1000}, {.memory = 4096}};
	struct limits_owned r;

	(void)state;
	need(CTL_CPUSET);
	need(CTL_CPU);
	need(CTL_MEMORY);
	for (unsigned int i = 0; i < ARRAY_LEN(v); i++) {
		struct err e = {0};

		assert_true(make("refused", &v[i], &r, &e) < 0);
		assert_true(e.code > 0 && e.text[0]);
		assert_int_equal(dirs_of("refused"), 0);
	}
}

static void get_raw(const struct branch *b, const char *id, const char *file, char ret[CONTROL_MAX])
{
	char path[GROUP_PATH_MAX];

	assert_int_equal(group_read_control(b->base_fd, group_path(path, id, file), ret), 0);
}

/* A device that the kernel can limit: the first whole disk. */
static bool find_disk(uint32_t *ret_major, uint32_t *ret_minor)
{
	unsigned int major, minor;
	char disk[64], line[256];
	bool found = false;
	FILE *f = fopen("/proc/partitions", "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char path[128];

		if (sscanf(line, " %u %u %*u %63s", &major, &minor, disk) != 3)
			continue;
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major, minor);
		found = access(path, F_OK) < 0;
	}
	if (f)
		fclose(f);
	*ret_major = major;
	*ret_minor = minor;
	return found;
}

static void io_limits(void **state)
{
	struct io_rate rate = {.read_bps = 1 << 20, .write_iops = 100};
	struct io_rate both[2] = {{0}, {.major = 4095, .minor = 77, .write_bps = 4096}};
	struct limits want = {.io = {&rate, 1}};
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_IO);
	if (!find_disk(&rate.major, &rate.minor)) {
		print_message("skipped: this machine has no disk\n");
		skip();
	}
	if (make("io", &want, &r, &e) < 0)
		fail_msg("%s", e.text);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(r.limits.io.n, 1);
		assert_int_equal(r.limits.io.v[0].major, rate.major);
		assert_int_equal(r.limits.io.v[0].minor, rate.minor);
		assert_int_equal(r.limits.io.v[0].read_bps, 1 << 20);
		assert_int_equal(r.limits.io.v[0].write_bps, 0);
		assert_int_equal(r.limits.io.v[0].write_iops, 100);
		assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	}
	/* One rate goes, the other stays; then that goes, too. */
	rate = (struct io_rate){.major = rate.major, .minor = rate.minor, .read_bps = -1};
	assert_int_equal(apply_update(&tree, "io", &want, &e), 0);
	assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	assert_int_equal(r.limits.io.n, 1);
	assert_int_equal(r.limits.io.v[0].read_bps, 0);
	assert_int_equal(r.limits.io.v[0].write_iops, 100);
	rate.write_iops = -1;
	assert_int_equal(apply_update(&tree, "io", &want, &e), 0);
	assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	assert_int_equal(r.limits.io.n, 0);
	/* Of a disk and one that is not there, the disk gets nothing either. */
	both[0] = (struct io_rate){.major = rate.major, .minor = rate.minor, .write_bps = 4096};
	want.io = (__typeof__(want.io)){both, 2};
	assert_int_equal(apply_update(&tree, "io", &want, &e), -ENODEV);
	assert_int_equal(group_read_limits(&tree, "io", &r, &e), 0);
	assert_int_equal(r.limits.io.n, 0);
	assert_int_equal(group_remove(&tree, "io", &e), 0);
}

/* What fails at the last row leaves those before it as they were, byte for byte. */
static void update_undone(void **state)
{
	static const char *const files[2][4] = {
		{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_quota_us",
			"pids.max"},
		{"memory.max", "memory.swap.max", "cpu.max", "pids.max"}};
	static const enum controller of[] = {CTL_MEMORY, CTL_MEMORY, CTL_CPU, CTL_PIDS};
	struct io_rate none = {.major = 4095, .minor = 77, .read_bps = 4096};
	const struct limits first = {
		.memory = MIB(64), .memory_swap = (int64_t)MIB(64), .cpu_quota = 5000, .pids = 7};
	const struct limits second = {.memory = MIB(128),
		.memory_swap = (int64_t)MIB(256),
		.cpu_quota = 9000,
		.pids = 9,
		.io = {&none, 1}};
	char before[4][CONTROL_MAX], after[CONTROL_MAX];
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	need(CTL_IO);
	need(CTL_MEMORY);
	need(CTL_CPU);
	need(CTL_PIDS);
	if (!tree.swap_accounting) {
		print_message("skipped: this kernel doesn't account swap\n");
		skip();
	}
	assert_int_equal(make("undone", &first, &r, &e), 0);
	for (unsigned int i = 0; i < 4; i++) {
		const struct branch *b = tree_find(&tree, of[i]);

		get_raw(b, "undone", files[b->version - 1][i], before[i]);
	}
	assert_int_equal(apply_update(&tree, "undone", &second, &e), -ENODEV);
	assert_non_null(strstr(e.text, "4095:77"));
	for (unsigned int i = 0; i < 4; i++) {
		const struct branch *b = tree_find(&tree, of[i]);

		get_raw(b, "undone", files[b->version - 1][i], after);
		assert_string_equal(after, before[i]);
	}
	assert_int_equal(group_remove(&tree, "undone", &e), 0);
}

/* There where the version or the kernel has it; else the sentence says why not. */
static void weight_and_swappiness(void **state)
{
	const struct limits weight = {.blkio_weight = 500}, none = {.swappiness_set = true};
	struct limits_owned r;
	struct err e = {0};
	int k;

	(void)state;
	need(CTL_IO);
	need(CTL_MEMORY);
	k = make("weight", &weight, &r, &e);
	if (k == 0)
		k = group_read_limits(&tree, "weight", &r, &e);
	if (k == 0)
		assert_int_equal(r.limits.blkio_weight, 500);
	else
		assert_non_null(strstr(e.text, "this kernel weighs no I/O"));
	assert_int_equal(dirs_of("weight"), k == 0 ? tree.n : 0);
	assert_int_equal(group_remove(&tree, "weight", &e), 0);
	k = make("weight", &none, &r, &e);
	if (tree_find(&tree, CTL_MEMORY)->version == 1) {
		assert_int_equal(k, 0);
		assert_int_equal(group_read_limits(&tree, "weight", &r, &e), 0);
		assert_true(r.limits.swappiness_set && r.limits.swappiness == 0);
	} else {
		assert_int_equal(k, -EOPNOTSUPP);
		assert_non_null(strstr(e.text, "cgroup v2 has no swappiness"));
	}
	assert_int_equal(group_remove(&tree, "weight", &e), 0);
	/* Nobody asked for anything: nothing is told. */
	assert_int_equal(make("weight", NULL, &r, &e), 0);
	assert_int_equal(group_read_limits(&tree, "weight", &r, &e), 0);
	assert_true(!r.limits.swappiness_set && !r.limits.blkio_weight && !r.limits.io.n);
	assert_int_equal(group_remove(&tree, "weight", &e), 0);
}

static void bad_ids(void **state)
{
	static const char *const v[] = {"", ".", "..", "a/b", "../x", "a.b", "-a", "a b", "a\n",
		"12345678901234567890123456789012345678901234567890123456789012345"};
	struct limits_owned r;
	struct err e = {0};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(v); i++)
		assert_int_equal(make(v[i], NULL, &r, &e), -EINVAL);
}

/* Never returns: cgroupd as main() runs it, but for opening the log. */
static void daemon_run(int fd)
{
	struct cgroupd d = {.loop = loop_new()};
	struct chan_setup setup = cgroupd_setup(&d);
	struct layout l;
	struct err e = {0};
	int r = discover_host(&l, &e);

	if (r == 0)
		r = tree_open(&d.tree, &l, name, &e);
	if (r == 0)
		r = priv_enter(&cgroupd_profile, 0, 0, &e);
	if (r == 0)
		r = tree_prepare(&d.tree, &e); /* also this needs no capability */
	if (r == 0)
		r = cgroupd_start(&d, &e);
	if (r == 0) {
		d.chan = chan_open(d.loop, fd, &setup);
		loop_run(d.loop);
	} else {
		fprintf(stderr, "%s\n", e.text);
	}
	_exit(r < 0);
}

static pid_t start_daemon(int *ret_fd)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		daemon_run(pair[1]);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return pid;
}

static void stop_daemon(pid_t pid, int fd)
{
	int status;

	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* It has taken the empty directories with it. */
	tree.ready = false;
	assert_int_equal(tree_prepare(&tree, NULL), 0);
}

/* Sends a request and receives the reply. */
static void ask(int fd, enum msg_type type, const void *msg, struct frame *ret)
{
	struct err e = {0};

	assert_int_equal(frame_send(fd, type, 7, msg, &e), 0);
	assert_int_equal(frame_recv(fd, ret, &e), 0);
}

/* A process as the first of a container: root of a user namespace that maps to INNER_ID. It takes
 * the descriptors, writes "0" to each, and answers with the errno of the first that failed. Then it
 * waits until its socket is closed. */
static void joiner_run(int fd)
{
	struct cgroup_created m;
	struct frame f = {0};
	struct err e = {0};
	char c = 0;

	if (unshare(CLONE_NEWUSER) < 0 || write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		_exit(1);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(2);
	if (frame_recv(fd, &f, &e) < 0 || frame_decode(&f, &m, &e) < 0)
		_exit(3);
	for (uint32_t i = 0; i < m.procs.n && c == 0; i++)
		c = write(m.procs.v[i], "0", 1) == 1 ? 0 : (char)errno;
	if (write(fd, &c, 1) != 1)
		_exit(4);
	while (read(fd, &c, 1) > 0)
		;
	_exit(0);
}

static void write_proc(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	assert_int_equal(fd_write_file_at(AT_FDCWD, path, text), 0);
}

static pid_t start_joiner(int *ret_fd)
{
	char map[32], c;
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		joiner_run(pair[1]);
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &c, 1), 1);
	snprintf(map, sizeof(map), "0 %d 65536", INNER_ID);
	write_proc(pid, "uid_map", map);
	write_proc(pid, "gid_map", map);
	assert_int_equal(write(pair[0], &c, 1), 1);
	*ret_fd = pair[0];
	return pid;
}

static void expect_no_capability(pid_t pid)
{
	static const char *const lines[] = {"\nUid:\t0\t0\t0\t0\n", "\nCapInh:\t0000000000000000\n",
		"\nCapPrm:\t0000000000000000\n", "\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n",
		"\nNoNewPrivs:\t1\n"};
	_cleanup_free_ char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_int_equal(fd_read_file_at(AT_FDCWD, path, 8192, &text, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("status lacks %s", lines[i]);
}

/* Every hierarchy that cgroupd told of has the process in NAME/ID. */
static unsigned int times_in(pid_t pid, const char *id)
{
	_cleanup_free_ char *text = NULL;
	char path[64], want[64];
	unsigned int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	snprintf(want, sizeof(want), ":/%s/%s\n", name, id);
	assert_int_equal(fd_read_file_at(AT_FDCWD, path, 8192, &text, NULL), 0);
	for (const char *p = text; (p = strstr(p, want)); p++)
		n++;
	return n;
}

static void joined_without_privilege(void **state)
{
	struct cgroup_create create = {.container = "joined"};
	struct cgroup_remove remove = {.container = "joined"};
	struct cgroup_created created;
	struct frame f = {0};
	struct err e = {0};
	int daemon_fd, joiner_fd;
	pid_t daemon, joiner;
	char c = 1;

	(void)state;
	need_host();
	if (userns_refused()) {
		print_message("skipped: %s\n", userns_refused());
		skip();
	}
	daemon = start_daemon(&daemon_fd);
	joiner = start_joiner(&joiner_fd);

	ask(daemon_fd, MSG_cgroup_create, &create, &f);
	expect_no_capability(daemon);
	assert_int_equal(f.type, MSG_cgroup_created);
	assert_int_equal(frame_decode(&f, &created, &e), 0);
	assert_int_equal(created.procs.n, tree.n);
	assert_int_equal(frame_send(joiner_fd, MSG_cgroup_created, 7, &created, &e), 0);
	frame_free(&f);
	assert_int_equal(read(joiner_fd, &c, 1), 1);
	assert_int_equal(c, 0);
	assert_int_equal(times_in(joiner, "joined"), tree.n);

	/* A second later, for the process is still there. */
	f = (struct frame){0};
	ask(daemon_fd, MSG_cgroup_remove, &remove, &f);
	assert_int_equal(f.type, MSG_failed);
	frame_free(&f);
	assert_int_equal(times_in(joiner, "joined"), tree.n);

	/* It ends while cgroupd waits. */
	assert_int_equal(frame_send(daemon_fd, MSG_cgroup_remove, 8, &remove, &e), 0);
	usleep(50000);
	close(joiner_fd);
	assert_int_equal(waitpid(joiner, NULL, 0), joiner);
	f = (struct frame){0};
	assert_int_equal(frame_recv(daemon_fd, &f, &e), 0);
	assert_int_equal(f.type, MSG_cgroup_state);
	frame_free(&f);
	assert_int_equal(dirs_of("joined"), 0);
	stop_daemon(daemon, daemon_fd);
}

/* While one removal waits for a process, other requests are answered at once. */
static void waits_without_blocking(void **state)
{
	struct limits_owned r;
	struct cgroup_remove remove = {.container = "busy"};
	struct cgroup_read read_other = {.container = "other"};
	struct frame f = {0};
	struct err e = {0};
	int fd, pipefd[2], procs[HIERARCHY_MAX];
	unsigned int n;
	pid_t daemon, child;

	(void)state;
	need_host();
	daemon = start_daemon(&fd); /* before there is a pipe for it to inherit */
	assert_int_equal(group_create(&tree, "busy", NULL, procs, &n, &r, &e), 0);
	assert_int_equal(make("other", NULL, &r, &e), 0);
	assert_int_equal(pipe(pipefd), 0);
	child = fork();
	if (child == 0) {
		char c;

		close(pipefd[1]);
		_exit(read(pipefd[0], &c, 1) != 0);
	}
	close(pipefd[0]);
	for (unsigned int i = 0; i < n; i++) {
		assert_true(dprintf(procs[i], "%d", child) > 0);
		close(procs[i]);
	}
	assert_int_equal(frame_send(fd, MSG_cgroup_remove, 8, &remove, &e), 0);
	assert_int_equal(frame_send(fd, MSG_cgroup_read, 9, &read_other, &e), 0);
	assert_int_equal(frame_recv(fd, &f, &e), 0);
	assert_int_equal(f.id, 9);
	assert_int_equal(f.type, MSG_cgroup_state);
	frame_free(&f);
	close(pipefd[1]);
	waitpid(child, NULL, 0);
	f = (struct frame){0};
	assert_int_equal(frame_recv(fd, &f, &e), 0);
	assert_int_equal(f.id, 8);
	assert_int_equal(f.type, MSG_cgroup_state);
	frame_free(&f);
	assert_int_equal(group_remove(&tree, "other", &e), 0);
	stop_daemon(daemon, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_in_force),
		cmocka_unit_test(raised_and_lowered),
		cmocka_unit_test(refused_and_undone),
		cmocka_unit_test(io_limits),
		cmocka_unit_test(update_undone),
		cmocka_unit_test(weight_and_swappiness),
		cmocka_unit_test(bad_ids),
		cmocka_unit_test(joined_without_privilege),
		cmocka_unit_test(waits_without_blocking),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
