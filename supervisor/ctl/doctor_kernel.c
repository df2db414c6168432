/* SPDX-License-Identifier: MIT */
/*
 * The checks of doctor.h that ask the kernel, through /proc and one system call; runs as whoever
 * calls ctl, and changes nothing. A file in /proc/sys that isn't there is a feature that isn't.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"

#define FILE_MAX	 (4U << 20)
#define LANDLOCK_VERSION 1 /* a flag of landlock_create_ruleset */
#define LANDLOCK_WHOLE	 6 /* from this version on it bounds all that profiles ask for */

#define say(...) snprintf(found, DOCTOR_FOUND_MAX, __VA_ARGS__)

int doctor_read_line(const char *path, char *ret, size_t size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

/* -1: there is no such file. */
static long number_in(const char *path)
{
	char text[32];

	return doctor_read_line(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += n)
		if ((at == text || strchr(" \t\n,", at[-1])) && strchr(" \t\n,", at[n]))
			return true;
	return false;
}

static bool kernel_at_least(int major, int minor)
{
	struct utsname u;
	int has[2] = {0, 0};

	uname(&u);
	sscanf(u.release, "%d.%d", &has[0], &has[1]);
	return has[0] > major || (has[0] == major && has[1] >= minor);
}

/* 5.19: overlayfs on mapped layers, inside a user namespace. */
DOCTOR_CHECK(doctor_kernel)
{
	struct utsname u;

	uname(&u);
	say("Linux %.64s", u.release);
	return kernel_at_least(5, 19) ? DOCTOR_OK : DOCTOR_MISSING;
}

DOCTOR_CHECK(doctor_above_zero)
{
	long n = number_in(row->arg);

	if (n < 0)
		say("this kernel has none: no %s", row->arg);
	else
		say("at most %ld", n);
	return n > 0 ? DOCTOR_OK : DOCTOR_MISSING;
}

static enum doctor_level say_switch(const char *path, long n, bool good, char found[])
{
	if (n < 0)
		say("not restricted here");
	else
		say("%s is %ld", path + sizeof("/proc/sys/") - 1, n);
	return good ? DOCTOR_OK : DOCTOR_MISSING;
}

DOCTOR_CHECK(doctor_zero_or_none)
{
	long n = number_in(row->arg);

	return say_switch(row->arg, n, n <= 0, found);
}

DOCTOR_CHECK(doctor_not_zero)
{
	long n = number_in(row->arg);

	return say_switch(row->arg, n, n != 0, found);
}

DOCTOR_CHECK(doctor_namespaces)
{
	static const char *const kinds[] = {"mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
	char path[32];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		if (access(path, F_OK) < 0) {
			say("no %s namespaces", kinds[i]);
			return DOCTOR_MISSING;
		}
	}
	say("mount, pid, net, ipc, uts, cgroup, time");
	return DOCTOR_OK;
}

DOCTOR_CHECK(doctor_landlock)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);

	if (abi < 0)
		say("none: %s", strerror(errno));
	else
		say("version %ld%s", abi,
			abi < LANDLOCK_WHOLE ? ", too old to bound all it should" : "");
	return abi < LANDLOCK_WHOLE ? DOCTOR_WEAKER : DOCTOR_OK;
}

DOCTOR_CHECK(doctor_seccomp)
{
	static const char *const actions[] = {"trap", "errno", "allow", "kill_process"};
	char text[DOCTOR_FOUND_MAX];

	if (doctor_read_line("/proc/sys/kernel/seccomp/actions_avail", text, sizeof(text)) < 0) {
		say("this kernel has no filters");
		return DOCTOR_MISSING;
	}
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (!has_word(text, actions[i])) {
			say("filters know no action %s", actions[i]);
			return DOCTOR_MISSING;
		}
	say("filters with %.200s", text);
	return DOCTOR_OK;
}

/* modules.dep and modules.builtin(5): "kernel/fs/erofs/erofs.ko.xz: …". */
static bool has_module(const char *name)
{
	static const char *const lists[] = {"dep", "builtin"};
	struct utsname u;
	char path[128], file[64];

	uname(&u);
	snprintf(file, sizeof(file), "/%s.ko", name);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		_cleanup_free_ char *text = NULL;

		snprintf(path, sizeof(path), "/lib/modules/%.64s/modules.%s", u.release, lists[i]);
		if (fd_read_file_at(AT_FDCWD, path, FILE_MAX, &text, NULL) == 0 &&
			strstr(text, file))
			return true;
	}
	return false;
}

DOCTOR_CHECK(doctor_filesystem)
{
	_cleanup_free_ char *text = NULL;
	bool known = fd_read_file_at(AT_FDCWD, "/proc/filesystems", FILE_MAX, &text, NULL) == 0 &&
		     has_word(text, row->arg);
	bool module = !known && has_module(row->arg);

	say(known	 ? "the kernel has it"
		: module ? "a module has it"
			 : "neither the kernel nor a module has it");
	return known || module ? DOCTOR_OK : DOCTOR_MISSING;
}

DOCTOR_CHECK(doctor_file_mounts)
{
	bool good = kernel_at_least(6, 12);

	say(good ? "by its version this kernel can" : "this kernel mounts block devices alone");
	return good ? DOCTOR_OK : DOCTOR_WEAKER;
}

/* The mount point of the first hierarchy of that type, and for v1 of that controller, from lines
 * "36 35 98:0 / /point rw,relatime shared:1 - cgroup cgroup rw,cpu". */
static bool cgroup_mount(const char *type, const char *controller, char ret[DOCTOR_FOUND_MAX])
{
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;

	if (fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", FILE_MAX, &text, NULL) < 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *behind = strstr(line, " - "), *comma;
		size_t n = strlen(type);

		if (!behind || strncmp(behind + 3, type, n) != 0 || behind[3 + n] != ' ')
			continue;
		comma = strrchr(behind, ' ');
		if (controller && !has_word(comma, controller))
			continue;
		if (sscanf(line, "%*s %*s %*s %*s %128s", ret) == 1)
			return true;
	}
	return false;
}

static bool v2_has(const char *controller, char point[DOCTOR_FOUND_MAX])
{
	char path[DOCTOR_FOUND_MAX + 32], text[DOCTOR_FOUND_MAX];

	if (!cgroup_mount("cgroup2", NULL, point))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", point);
	return doctor_read_line(path, text, sizeof(text)) == 0 && has_word(text, controller);
}

DOCTOR_CHECK(doctor_cgroups)
{
	char v1[DOCTOR_FOUND_MAX], v2[DOCTOR_FOUND_MAX];
	bool one = cgroup_mount("cgroup", NULL, v1), two = cgroup_mount("cgroup2", NULL, v2);

	if (!one && !two)
		say("no hierarchy is mounted");
	else if (one && two)
		say("hybrid: v1 and, on %.128s, v2", v2);
	else
		say("%s on %.128s", two ? "v2" : "v1", two ? v2 : v1);
	return one || two ? DOCTOR_OK : DOCTOR_MISSING;
}

DOCTOR_CHECK(doctor_controller)
{
	char point[DOCTOR_FOUND_MAX];

	if (cgroup_mount("cgroup", row->arg, point)) {
		say("v1 on %.128s", point);
		return DOCTOR_OK;
	}
	if (v2_has(row->arg, point)) {
		say("v2 on %.128s", point);
		return DOCTOR_OK;
	}
	say("in no hierarchy that is mounted");
	return DOCTOR_WEAKER;
}

DOCTOR_CHECK(doctor_ipv6)
{
	long off = number_in("/proc/sys/net/ipv6/conf/default/disable_ipv6");

	say(off < 0 ? "this kernel has none" : off ? "switched off" : "on");
	return off == 0 ? DOCTOR_OK : DOCTOR_WEAKER;
}

DOCTOR_CHECK(doctor_bridge_frames)
{
	static const char *const files[] = {"iptables", "ip6tables"};
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/bridge/bridge-nf-call-%s", files[i]);
		if (number_in(path) > 0) {
			say("net.bridge.bridge-nf-call-%s is 1", files[i]);
			return DOCTOR_WEAKER;
		}
	}
	say("not sent through the host's IP rules");
	return DOCTOR_OK;
}

DOCTOR_CHECK(doctor_ptrace)
{
	long scope = number_in("/proc/sys/kernel/yama/ptrace_scope");

	if (scope < 0)
		say("this kernel has no Yama");
	else
		say("kernel.yama.ptrace_scope is %ld", scope);
	return scope > 0 ? DOCTOR_OK : DOCTOR_WEAKER;
}

/* A pipe or, since Linux 6.16, a socket: RLIMIT_CORE of 0 doesn't keep a dump from it, 1 does
 * (core(5), fs/coredump.c). */
DOCTOR_CHECK(doctor_core_pattern)
{
	char text[DOCTOR_FOUND_MAX];
	bool taken;

	if (doctor_read_line("/proc/sys/kernel/core_pattern", text, sizeof(text)) < 0) {
		say("this kernel makes none");
		return DOCTOR_OK;
	}
	taken = text[0] == '|' || text[0] == '@';
	if (taken)
		say("a program of the host takes them: %.200s", text);
	else
		say("files where the container crashes");
	return taken ? DOCTOR_WEAKER : DOCTOR_OK;
}
