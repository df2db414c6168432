/* SPDX-License-Identifier: MIT */
/*
 * netd's profile against the kernel: what it can't do, and which files it reaches.
 */
#include "sandboxed.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "netd/netd.h"

static void test_cannot(void **state)
{
	static const struct call calls[] = {CALL(socket, AF_PACKET, SOCK_RAW),
		CALL(socket, AF_VSOCK, SOCK_STREAM), CALL(connect, 0), CALL(listen, 0),
		CALL(accept4, 0), CALL(mount), CALL(clone3), CALL(chroot), CALL(kill, 1, SIGTERM),
		CALL(unlinkat), CALL(mkdirat), CALL(renameat2, AT_FDCWD),
		CALL(ioctl, 0, 0x8914 /* SIOCSIFFLAGS */), CALL_END};

	(void)state;
	assert_never(&netd_profile);
	assert_violations(&netd_profile, calls);
	assert_nothing_else(&netd_profile);
}

static void test_files(void **state)
{
	int net = open("/proc/sys/net", O_PATH | O_DIRECTORY);
	const struct sandbox_place places[] = {{"sysctl", net}, {0}};
	const struct call own = CALL(openat, net, (long)"ipv4/ip_forward", O_RDONLY),
			  others = CALL(openat, net, (long)"../kernel/core_pattern", O_RDONLY),
			  host = CALL(openat, AT_FDCWD, (long)"/etc/hostname", O_RDONLY);

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		skip(); /* a kernel without Landlock */
	assert_int_equal(sandboxed_errno(&netd_profile, places, &own), 0);
	assert_int_equal(sandboxed_errno(&netd_profile, places, &others), EACCES);
	assert_int_equal(sandboxed_errno(&netd_profile, places, &host), EACCES);
	close(net);
}

SANDBOX_TESTS(cmocka_unit_test(test_cannot), cmocka_unit_test(test_files))
