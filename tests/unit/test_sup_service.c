/* SPDX-License-Identifier: MIT */
/*
 * The service manager's protocol: which sockets are taken over, and what is told to whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "supervisor/launch.h"
#include "supervisor/service.h"

static char dir[64], path[96];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/service.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const variables[] = {
		"LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	close(3);
	unlink(path);
	rmdir(dir);
	return 0;
}

static void set_number(const char *variable, long v)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", v);
	setenv(variable, text, 1);
}

static int bound(int type, bool abstract)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path + abstract, sizeof(sa.sun_path) - 1, "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract +
					     strlen(path))),
		0);
	return fd;
}

/* As descriptor 3, for `pid`. */
static void hand_in(int type, bool listening, const char *count, pid_t pid)
{
	int fd = bound(type, false);

	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(dup2(fd, 3), 3);
	if (fd != 3)
		close(fd);
	setenv("LISTEN_FDS", count, 1);
	set_number("LISTEN_PID", pid);
}

static void a_socket_is_taken_over(void **state)
{
	struct err e = {0};
	int fd;

	(void)state;
	hand_in(SOCK_SEQPACKET, true, "1", getpid());
	assert_int_equal(service_socket(path, &fd, &e), 0);
	assert_true(fd > LAUNCH_FD_LAST);
	assert_int_equal(fcntl(3, F_GETFD), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	close(fd);
}

static void none_is_no_error(void **state)
{
	struct err e = {0};
	int fd = 0;

	(void)state;
	assert_int_equal(service_socket(path, &fd, &e), 0);
	assert_int_equal(fd, -1);
	hand_in(SOCK_SEQPACKET, true, "1", getppid());
	assert_int_equal(service_socket(path, &fd, &e), 0);
	assert_int_equal(fd, -1);
}

static void refused(int type, bool listening, const char *count, const char *other, const char *why)
{
	struct err e = {0};
	int fd;

	hand_in(type, listening, count, getpid());
	assert_true(service_socket(other ? other : path, &fd, &e) < 0);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(e.text, why));
	close(3);
	unlink(path);
}

static void others_are_refused(void **state)
{
	struct err e = {0};
	int fd;

	(void)state;
	refused(SOCK_STREAM, true, "1", NULL, "ListenSequentialPacket");
	refused(SOCK_DGRAM, false, "1", NULL, "ListenSequentialPacket");
	refused(SOCK_SEQPACKET, false, "1", NULL, "ListenSequentialPacket");
	refused(SOCK_SEQPACKET, true, "2", NULL, "2 sockets were handed in");
	refused(SOCK_SEQPACKET, true, "1", "/run/other/ctl.sock", "is /run/other/ctl.sock");
	setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(service_socket(path, &fd, &e), -EBADF);
}

static void hear(int fd, const char *wanted)
{
	char text[256] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, wanted);
}

static void the_manager_is_told(void **state)
{
	char abstract[100];
	int fd;

	(void)state;
	service_tell("READY=1"); /* to nobody */
	fd = bound(SOCK_DGRAM, false);
	setenv("NOTIFY_SOCKET", path, 1);
	service_tell("READY=1\nSTATUS=%d", 7);
	hear(fd, "READY=1\nSTATUS=7");
	close(fd);
	service_tell("STOPPING=1"); /* to who has gone */
	snprintf(abstract, sizeof(abstract), "@%s", path);
	setenv("NOTIFY_SOCKET", abstract, 1);
	fd = bound(SOCK_DGRAM, true);
	service_tell("STOPPING=1");
	hear(fd, "STOPPING=1");
	close(fd);
}

static void the_watchdog(void **state)
{
	(void)state;
	assert_int_equal(service_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(service_watchdog_ms(), 15000);
	set_number("WATCHDOG_PID", getpid());
	assert_int_equal(service_watchdog_ms(), 15000);
	set_number("WATCHDOG_PID", getppid());
	assert_int_equal(service_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "-1", 1);
	assert_int_equal(service_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "0", 1);
	assert_int_equal(service_watchdog_ms(), 0);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(a_socket_is_taken_over),
		ROW(none_is_no_error),
		ROW(others_are_refused),
		ROW(the_manager_is_told),
		ROW(the_watchdog),
	};

	/* What the test's caller has open there is not ours to hand in. */
	close(3);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
