/* SPDX-License-Identifier: MIT */
/*
 * imaged's profiles against the kernel: what each of its processes can't do.
 */
#include "sandboxed.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "imaged/imaged.h"

static void test_unpack_cannot(void **state)
{
	static const struct call calls[] = {CALL(open, (long)"/etc/passwd"),
		CALL(openat, AT_FDCWD, (long)"/etc/passwd"), CALL(openat2, AT_FDCWD),
		CALL(creat, (long)"/tmp/x"), CALL(socket, AF_UNIX, SOCK_STREAM),
		CALL(socketpair, AF_UNIX, SOCK_STREAM), CALL(connect, 0), CALL(bind, 0),
		CALL(accept4, 0), CALL(clone3), CALL(memfd_create, (long)"x"),
		CALL(unlinkat, AT_FDCWD), CALL(renameat2, AT_FDCWD), CALL(linkat, AT_FDCWD),
		CALL(symlinkat), CALL(mknodat, AT_FDCWD), CALL(chdir), CALL(chroot), CALL(mount),
		CALL(kill, 1, SIGTERM), CALL(pidfd_open, 1),
		CALL(newfstatat, AT_FDCWD, (long)"/etc/passwd"), CALL_END};

	(void)state;
	assert_never(&profile_unpack);
	assert_violations(&profile_unpack, calls);
}

static void test_unpack_nothing_else(void **state)
{
	(void)state;
	assert_nothing_else(&profile_unpack);
}

/* A debug run opens what a line of text names, and that is all it can do more. */
static void test_unpack_debug(void **state)
{
	const struct call open = CALL(openat, AT_FDCWD, (long)"/etc/passwd"),
			  execute = CALL(execve, (long)"/bin/true"), connect = CALL(connect, 0);
	struct ending end = sandboxed(&profile_unpack, NULL, true, &open, true);

	(void)state;
	assert_true(WIFEXITED(end.status));
	assert_int_equal(WEXITSTATUS(end.status), 0);
	assert_violation(&profile_unpack, true, &execute);
	assert_violation(&profile_unpack, true, &connect);
}

/* Numbers of another ABI end it as well: the x32 one has 64-bit pointers, so nothing else would. */
static void test_foreign_abi(void **state)
{
	const struct call x32 = {0x40000000 | __NR_getpid, {0}};
	struct ending end = sandboxed(&profile_unpack, NULL, false, &x32, false);

	(void)state;
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGSYS);
	assert_non_null(strstr(end.said, "is not allowed: ending\n"));
}

/* What the C library does when it gives up is allowed: the log tells of SIGABRT, not of SIGSYS. */
static void test_abort(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		log_open("test", LOG_ERROR);
		if (sandbox_enter(&profile_unpack, NULL, false, NULL) == 0)
			abort();
		_exit(255);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_fetch(void **state)
{
	static const struct call calls[] = {CALL(socket, AF_PACKET, SOCK_RAW), CALL(listen, 0),
		CALL(accept4, 0), CALL(mkdirat, AT_FDCWD), CALL(unlinkat), CALL(renameat2),
		CALL(mount), CALL(chroot), CALL(kill, 1, SIGTERM), CALL(memfd_create), CALL_END};

	(void)state;
	assert_never(&profile_fetch);
	assert_violations(&profile_fetch, calls);
	assert_nothing_else(&profile_fetch);
}

/* What is answered with an errno, so that libraries take another way. */
static void test_fetch_answers(void **state)
{
	const struct call nscd = CALL(socket, AF_UNIX, SOCK_STREAM), process = CALL(clone3),
			  module = CALL(mmap, 0, 4096, 5, 0x22, -1),
			  tcp = CALL(socket, AF_INET, SOCK_STREAM);

	(void)state;
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &nscd), EAFNOSUPPORT);
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &process), ENOSYS);
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &module), EACCES);
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &tcp), 0);
}

static void test_fetch_files(void **state)
{
	const struct call hosts = CALL(openat, AT_FDCWD, (long)"/etc/hosts", O_RDONLY),
			  write = CALL(openat, AT_FDCWD, (long)"/etc/hosts", O_WRONLY),
			  users = CALL(openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY),
			  memory = CALL(openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY);

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		skip(); /* a kernel without Landlock */
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &hosts), 0);
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &write), EACCES);
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &users), EACCES);
	assert_int_equal(sandboxed_errno(&profile_fetch, NULL, &memory), EACCES);
}

/* It holds SYS_ADMIN: mounts, then, and no other use of it. */
static void test_mounter(void **state)
{
	static const struct call calls[] = {CALL(socket, AF_UNIX, SOCK_STREAM),
		CALL(socket, AF_INET, SOCK_STREAM), CALL(connect, 0), CALL(mount), CALL(pivot_root),
		CALL(chroot), CALL(swapon), CALL(sethostname), CALL(quotactl), CALL(fspick),
		CALL(open_by_handle_at), CALL(syslog), CALL(kill, 1, SIGTERM),
		CALL(perf_event_open), CALL(ioctl, 0, 0x5412 /* TIOCSTI */), CALL_END};

	(void)state;
	assert_never(&profile_mounter);
	assert_violations(&profile_mounter, calls);
	assert_nothing_else(&profile_mounter);
}

SANDBOX_TESTS(cmocka_unit_test(test_unpack_cannot), cmocka_unit_test(test_unpack_nothing_else),
	cmocka_unit_test(test_unpack_debug), cmocka_unit_test(test_foreign_abi),
	cmocka_unit_test(test_abort), cmocka_unit_test(test_fetch),
	cmocka_unit_test(test_fetch_answers), cmocka_unit_test(test_fetch_files),
	cmocka_unit_test(test_mounter))
