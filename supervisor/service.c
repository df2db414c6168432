/* SPDX-License-Identifier: MIT */
/*
 * The service manager's protocol; see service.h. It needs no library: three variables and one
 * datagram. Trusts its environment as the command line: both are root's.
 */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "launch.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* Whether the number in the variable is our pid: what was meant for a parent is not for us. */
static bool is_for_us(const char *variable)
{
	const char *text = getenv(variable);
	uint32_t pid;

	return text && num_parse_u32(text, 1, INT32_MAX, &pid) == 0 && (pid_t)pid == getpid();
}

static int socket_option(int fd, int option)
{
	socklen_t size = sizeof(int);
	int v = -1;

	return getsockopt(fd, SOL_SOCKET, option, &v, &size) < 0 ? -1 : v;
}

static int check_socket(int fd, const char *path, struct err *e)
{
	struct sockaddr_un sa = {0};
	socklen_t size = sizeof(sa) - 1;

	if (socket_option(fd, SO_DOMAIN) != AF_UNIX ||
		socket_option(fd, SO_TYPE) != SOCK_SEQPACKET ||
		socket_option(fd, SO_ACCEPTCONN) != 1)
		return err_set(e, EINVAL,
			"what was handed in is no listening socket of ListenSequentialPacket=");
	if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0 || strcmp(sa.sun_path, path) != 0)
		return err_set(e, EINVAL,
			"the socket that was handed in is %.128s, but this engine's is %.128s",
			sa.sun_path, path);
	return 0;
}

/* Its low number is what children get their channel as. */
static int take_socket(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = fcntl(FIRST_FD, F_DUPFD_CLOEXEC, LAUNCH_FD_LAST + 1);
	int r;

	if (fd < 0)
		return err_errno(e, errno, "the socket that was handed in");
	close(FIRST_FD);
	r = check_socket(fd, path, e);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, errno, "the socket that was handed in");
	return take_fd(&fd);
}

int service_socket(const char *path, int *ret, struct err *e)
{
	static const char *const variables[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};
	const char *count = getenv("LISTEN_FDS");
	int r = -1;

	*ret = -1;
	if (!count || !is_for_us("LISTEN_PID"))
		return 0;
	if (strcmp(count, "1") != 0)
		return err_set(e, EINVAL, "%.16s sockets were handed in, not one", count);
	r = take_socket(path, e);
	if (r < 0)
		return r;
	*ret = r;
	for (unsigned int i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

/* A name that starts with @ is an abstract one. */
static socklen_t manager_address(struct sockaddr_un *sa)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(sa->sun_path) || (*path != '/' && *path != '@'))
		return 0;
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(sa->sun_path, path, n);
	if (*path == '@')
		sa->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

void service_tell(const char *format, ...)
{
	struct sockaddr_un sa;
	socklen_t size = manager_address(&sa);
	_cleanup_fd_ int fd = -1;
	char text[256];
	va_list args;

	if (!size)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
		sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa, size) < 0)
		log_debug("telling the service manager: %s", strerror(errno));
}

uint64_t service_watchdog_ms(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t us;

	if (!text || (getenv("WATCHDOG_PID") && !is_for_us("WATCHDOG_PID")) ||
		num_parse_u64(text, 2000, INT64_MAX, &us) < 0)
		return 0;
	return us / 2000;
}
