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
#include "cgroup_host.h"
#include "userns.h"

#define INNER_ID 100000

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
	assert_int_equal(dirs_of("limits"), usual_hierarchies());
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
	assert_int_equal(created.procs.n, usual_hierarchies());
	assert_int_equal(frame_send(joiner_fd, MSG_cgroup_created, 7, &created, &e), 0);
	frame_free(&f);
	assert_int_equal(read(joiner_fd, &c, 1), 1);
	assert_int_equal(c, 0);
	assert_int_equal(times_in(joiner, "joined"), usual_hierarchies());

	/* A second later, for the process is still there. */
	f = (struct frame){0};
	ask(daemon_fd, MSG_cgroup_remove, &remove, &f);
	assert_int_equal(f.type, MSG_failed);
	frame_free(&f);
	assert_int_equal(times_in(joiner, "joined"), usual_hierarchies());

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
	assert_int_equal(group_create(&tree, "busy", NULL, NULL, procs, &n, &r, &e), 0);
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
		cmocka_unit_test(bad_ids),
		cmocka_unit_test(joined_without_privilege),
		cmocka_unit_test(waits_without_blocking),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
