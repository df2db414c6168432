/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's profile against the kernel: what it can't do, and which files it reaches.
 */
#include "sandboxed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "supervisor/profile.h"

static void test_cannot(void **state)
{
	static const struct call calls[] = {CALL(socket, AF_INET, SOCK_STREAM),
		CALL(socket, AF_NETLINK, SOCK_RAW), CALL(connect, 0), CALL(bind, 0), CALL(mount),
		CALL(clone3), CALL(chroot), CALL(kill, 1, SIGTERM), CALL(pidfd_getfd),
		CALL(open_by_handle_at), CALL_END};

	(void)state;
	assert_never(&profile_supervisor);
	assert_violations(&profile_supervisor, calls);
	assert_nothing_else(&profile_supervisor);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/bulkhead-sandbox.XXXXXX";
	int fd = open(mkdtemp(dir), O_PATH | O_DIRECTORY);
	const struct sandbox_place places[] = {{"state", fd}, {0}};
	const struct call own = CALL(openat, fd, (long)"f", O_RDWR | O_CREAT, 0600),
			  beside = CALL(openat, AT_FDCWD, (long)"/tmp", O_RDONLY),
			  above = CALL(openat, fd, (long)"../../usr/bin/env", O_RDONLY),
			  resolv = CALL(openat, AT_FDCWD, (long)"/etc/hostname", O_RDONLY),
			  write = CALL(openat, AT_FDCWD, (long)"/etc/hostname", O_WRONLY),
			  make = CALL(mkdirat, AT_FDCWD, (long)"/tmp/bulkhead-sandbox.x", 0700);

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		skip(); /* a kernel without Landlock */
	assert_int_equal(sandboxed_errno(&profile_supervisor, places, &own), 0);
	assert_int_equal(sandboxed_errno(&profile_supervisor, places, &beside), EACCES);
	assert_int_equal(sandboxed_errno(&profile_supervisor, places, &above), EACCES);
	assert_int_equal(sandboxed_errno(&profile_supervisor, places, &resolv), 0);
	assert_int_equal(sandboxed_errno(&profile_supervisor, places, &write), EACCES);
	assert_int_equal(sandboxed_errno(&profile_supervisor, places, &make), EACCES);
	unlinkat(fd, "f", 0);
	close(fd);
	rmdir(dir);
}

SANDBOX_TESTS(cmocka_unit_test(test_cannot), cmocka_unit_test(test_files))
