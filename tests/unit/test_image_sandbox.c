/* SPDX-License-Identifier: MIT */
/*
 * imaged's profiles against the kernel: what each of its processes can't do.
 */
#include "sandboxed.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "imaged/imaged.h"

#ifdef BULKHEAD_SANITIZED
static void test_off(void **state)
{
	(void)state;
	skip(); /* sanitizer builds go without a sandbox */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_off)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpack_cannot),
		cmocka_unit_test(test_unpack_nothing_else),
		cmocka_unit_test(test_unpack_debug),
		cmocka_unit_test(test_foreign_abi),
		cmocka_unit_test(test_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
