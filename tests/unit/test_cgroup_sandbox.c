/* SPDX-License-Identifier: MIT */
/*
 * cgroupd's profile against the kernel: what it can't do, and which files it reaches.
 */
#include "sandboxed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cgroupd/profile.h"

static void test_cannot(void **state)
{
	static const struct call calls[] = {CALL(socket, AF_UNIX, SOCK_STREAM), CALL(connect, 0),
		CALL(mount), CALL(clone3), CALL(chroot), CALL(kill, 1, SIGTERM),
		CALL(renameat2, AT_FDCWD), CALL(symlinkat), CALL(mknodat), CALL_END};

	(void)state;
	assert_never(&cgroupd_profile);
	assert_violations(&cgroupd_profile, calls);
	assert_nothing_else(&cgroupd_profile);
}

/* A directory plays the hierarchy's root: above the engine's own, directories can be removed and
 * nothing else. */
static void test_files(void **state)
{
	char dir[] = "/tmp/bulkhead-sandbox.XXXXXX";
	int root = open(mkdtemp(dir), O_PATH | O_DIRECTORY), own;
	const struct call inside = CALL(openat, 0, (long)"f", O_RDWR | O_CREAT, 0600),
			  above = CALL(openat, 0, (long)"../g", O_RDONLY),
			  make = CALL(mkdirat, 0, (long)"../x", 0700),
			  remove = CALL(unlinkat, 0, (long)"../h", AT_REMOVEDIR),
			  host = CALL(openat, AT_FDCWD, (long)"/etc/hostname", O_RDONLY);
	struct sandbox_place places[] = {{"own", -1}, {"root", root}, {0}};
	struct call c;

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		skip(); /* a kernel without Landlock */
	mkdirat(root, "own", 0700);
	mkdirat(root, "h", 0700);
	close(openat(root, "g", O_CREAT | O_WRONLY, 0600));
	own = places[0].fd = openat(root, "own", O_RDONLY | O_DIRECTORY);
	c = inside, c.args[0] = own;
	assert_int_equal(sandboxed_errno(&cgroupd_profile, places, &c), 0);
	c = above, c.args[0] = own;
	assert_int_equal(sandboxed_errno(&cgroupd_profile, places, &c), EACCES);
	c = make, c.args[0] = own;
	assert_int_equal(sandboxed_errno(&cgroupd_profile, places, &c), EACCES);
	c = remove, c.args[0] = own;
	assert_int_equal(sandboxed_errno(&cgroupd_profile, places, &c), 0);
	assert_int_equal(sandboxed_errno(&cgroupd_profile, places, &host), EACCES);
	unlinkat(own, "f", 0);
	unlinkat(root, "g", 0);
	unlinkat(root, "own", AT_REMOVEDIR);
	close(own);
	close(root);
	assert_int_equal(rmdir(dir), 0);
}

SANDBOX_TESTS(cmocka_unit_test(test_cannot), cmocka_unit_test(test_files))
