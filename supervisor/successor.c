/* SPDX-License-Identifier: MIT */
/*
 * See successor.h. Of names in the directory only what reads as two numbers counts.
 */
#include "successor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "launch.h"

#define STATUS_MAX 65536
#define PASSES	   10

/* By the directory's descriptor: a run directory's path may be as long as any. */
static struct sockaddr_un address(int dir, uint32_t slot, uint32_t flags)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%u.%u", dir, slot, flags);
	return sa;
}

int successor_bind(int dir, uint32_t slot, uint32_t flags)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct sockaddr_un sa = address(dir, slot, flags);

	successor_unbind(dir, slot, flags);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

void successor_unbind(int dir, uint32_t slot, uint32_t flags)
{
	char name[32];

	snprintf(name, sizeof(name), "%u.%u", slot, flags);
	unlinkat(dir, name, 0);
}

/* The owner of a directory in /proc would be root's where its process is not dumpable; proc(5). Of
 * one that only waits to be reaped nobody has to know. */
static int living_uid(int proc, const char *pid, uid_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char name[32], *line;
	int r;

	snprintf(name, sizeof(name), "%.20s/status", pid);
	r = fd_read_file_at(proc, name, STATUS_MAX, &text, NULL);
	if (r < 0)
		return r;
	if (strstr(text, "\nState:\tZ") || strstr(text, "\nState:\tX"))
		return -ESRCH;
	line = strstr(text, "\nUid:\t");
	if (!line)
		return -EBADMSG;
	line += strlen("\nUid:\t");
	line[strcspn(line, "\t")] = '\0';
	return num_parse_u32(line, 0, UINT32_MAX, ret);
}

/* Where init is slow to reap, one that has died still takes signals: signal 0 says nothing. */
static bool lives_as(pid_t pid, uid_t uid)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[16];
	uid_t its;

	snprintf(name, sizeof(name), "%d", pid);
	return proc >= 0 && living_uid(proc, name, &its) == 0 && its == uid;
}

int successor_connect(int dir, uint32_t slot, uint32_t flags, uid_t uid, pid_t *ret_pid)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr_un sa = address(dir, slot, flags);
	struct ucred who;
	socklen_t n = sizeof(who);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return -errno;
	if (who.uid != uid || !lives_as(who.pid, uid))
		return -EAGAIN;
	*ret_pid = who.pid;
	fd_set_nonblock(fd, false);
	return take_fd(&fd);
}

static DIR *open_dir(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d)
		fd_close(&fd);
	return d;
}

void successor_each(int dir, void (*fn)(void *arg, uint32_t slot, uint32_t flags), void *arg)
{
	DIR *d = open_dir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		uint32_t slot, flags;
		char name[32], *dot;

		snprintf(name, sizeof(name), "%.31s", de->d_name);
		dot = strchr(name, '.');
		if (!dot)
			continue;
		*dot++ = '\0';
		if (num_parse_u32(name, SLOT_MIN, SLOT_MAX, &slot) == 0 &&
			num_parse_u32(dot, 0, LAUNCH_FLAGS, &flags) == 0)
			fn(arg, slot, flags);
	}
	if (d)
		closedir(d);
}

static unsigned int signal_once(
	uid_t first, uint32_t n, int sig, bool (*spared)(void *arg, uid_t uid), void *arg)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = proc >= 0 ? open_dir(proc) : NULL;
	unsigned int killed = 0;
	struct dirent *de;

	while (d && (de = readdir(d))) {
		uint32_t pid;
		uid_t uid;

		if (num_parse_u32(de->d_name, 2, INT32_MAX, &pid) < 0 ||
			living_uid(proc, de->d_name, &uid) < 0)
			continue;
		if (uid - first >= n || (spared && spared(arg, uid)))
			continue;
		killed += kill((pid_t)pid, sig) == 0;
	}
	if (d)
		closedir(d);
	return killed;
}

/* Whoever sees the other die may fork while /proc is read: a keeper that takes its shim's place. */
unsigned int successor_signal(
	uid_t first, uint32_t n, int sig, bool (*spared)(void *arg, uid_t uid), void *arg)
{
	unsigned int killed = signal_once(first, n, sig, spared, arg), left = killed;

	for (unsigned int i = 1; sig == SIGKILL && left > 0 && i < PASSES; i++)
		left = signal_once(first, n, sig, spared, arg);
	return killed;
}
