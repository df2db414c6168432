/* SPDX-License-Identifier: MIT */
/*
 * The shim's own bounds against the kernel, as it enters them: the filter that was made while it
 * was built, and Landlock for the log's directory.
 */
#include "base/sandbox.h"
#include "shim/confine.h"

static int enter(const struct sandbox_place *places, bool debug, struct err *e)
{
	int r = confine_calls(debug, e);

	return r < 0 || !places ? r : confine_files(places[0].fd, e);
}
#define SANDBOX_ENTER(profile, places, debug, e) ((void)(profile), enter(places, debug, e))
#include "sandboxed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "shim/profile.h"

static void test_cannot(void **state)
{
	static const struct call calls[] = {CALL(socket, AF_UNIX, SOCK_STREAM), CALL(connect, 0),
		CALL(mount), CALL(clone3), CALL(chroot), CALL(kill, 1, SIGTERM), CALL(setns, 0),
		CALL(openat, AT_FDCWD, (long)"/", O_RDONLY), CALL(open, (long)"/", O_RDONLY),
		CALL(openat, AT_FDCWD, (long)"x", LOG_OPEN_FLAGS & ~O_NOFOLLOW),
		CALL(openat, AT_FDCWD, (long)"x", LOG_OPEN_FLAGS | O_TRUNC), CALL(unlinkat),
		CALL(mkdirat), CALL(symlinkat), CALL(memfd_create), CALL(ioctl, 0, TIOCSTI),
		CALL(ioctl, 0, TIOCSCTTY), CALL(prctl, PR_SET_DUMPABLE, 1),
		CALL(socketpair, AF_INET), CALL(rt_sigaction, SIGSYS),
		CALL(renameat2, -1, 0, -1, 0, 2 /* RENAME_EXCHANGE */), CALL_END};

	(void)state;
	assert_never(&profile_running);
	assert_violations(&profile_running, calls);
	assert_nothing_else(&profile_running);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/bulkhead-sandbox.XXXXXX";
	int log = open(mkdtemp(dir), O_PATH | O_DIRECTORY);
	const struct sandbox_place places[] = {{"log", log}, {0}};
	const struct call inside = CALL(openat, log, (long)"log", LOG_OPEN_FLAGS, 0600),
			  rotated = CALL(renameat, log, (long)"log", log, (long)"log.1"),
			  above = CALL(openat, log, (long)"../log", LOG_OPEN_FLAGS, 0600),
			  out = CALL(renameat, log, (long)"log.1", AT_FDCWD, (long)"/tmp/log.1"),
			  host = CALL(openat, AT_FDCWD, (long)"/dev/null", LOG_OPEN_FLAGS);

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		skip(); /* a kernel without Landlock */
	assert_int_equal(sandboxed_errno(&profile_running, places, &inside), 0);
	assert_int_equal(faccessat(log, "log", F_OK, 0), 0);
	assert_int_equal(sandboxed_errno(&profile_running, places, &rotated), 0);
	assert_int_equal(faccessat(log, "log.1", F_OK, 0), 0);
	assert_int_equal(sandboxed_errno(&profile_running, places, &above), EACCES);
	assert_int_not_equal(sandboxed_errno(&profile_running, places, &out), 0);
	assert_int_equal(sandboxed_errno(&profile_running, places, &host), EACCES);
	unlinkat(log, "log.1", 0);
	close(log);
	assert_int_equal(rmdir(dir), 0);
}

SANDBOX_TESTS(cmocka_unit_test(test_cannot), cmocka_unit_test(test_files))
