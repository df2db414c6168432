/* SPDX-License-Identifier: MIT */
/*
 * Attempts that write where the kernel takes orders: sysctls, sysfs, cgroups.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "escape.h"

#define DEPTH 32

int rewrite(const char *path)
{
	char buf[4096];
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf));
		close(fd);
	}
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = n > 0 ? write(fd, buf, (size_t)n) : write(fd, "h", 1);
	close(fd);
	say("wrote %s", path);
	return n < 0 ? -errno : 0;
}

static int write_path(const struct attempt *a)
{
	return rewrite(a->path);
}

static int read_path(const struct attempt *a)
{
	char buf[64];
	int fd = open(a->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	say(n ? "read %s" : "%s is empty", a->path);
	return n ? 0 : HARMLESS;
}

/* ---- trees ---- */

static const char *wanted_name;
static int walk_result;

/* Opening alone does nothing to these files. */
static int visit(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	int fd;

	if (kind != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	if (wanted_name && strcmp(path + ftw->base, wanted_name) != 0)
		return 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		walk_result = -errno;
		return 0;
	}
	close(fd);
	say("%s opens for writing", path);
	walk_result = 0;
	return 1;
}

static int walk(const char *top, const char *name)
{
	wanted_name = name;
	walk_result = -ENOENT;
	return nftw(top, visit, DEPTH, FTW_PHYS) < 0 ? -errno : walk_result;
}

static int write_tree(const struct attempt *a)
{
	return walk(a->path, NULL);
}

static int write_cgroup(const struct attempt *a)
{
	return walk("/sys/fs/cgroup", a->path);
}

/* ---- cgroup v1 by mounts of our own ---- */

static int mount_cgroup(void *arg)
{
	static const char *const controllers[] = {
		"memory", "rdma", "pids", "devices", "freezer", "cpu", "cpuset", "blkio"};
	char at[] = "/tmp/escape.XXXXXX";
	int r = -ENODEV;

	(void)arg;
	if (!mkdtemp(at))
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(controllers) && r != 0; i++) {
		if (mount("cgroup", at, "cgroup", 0, controllers[i]) < 0) {
			r = -errno;
			continue;
		}
		r = walk(at, NULL);
		umount2(at, MNT_DETACH);
	}
	rmdir(at);
	return r;
}

static int mounted_cgroup(const struct attempt *a)
{
	(void)a;
	return mount_cgroup(NULL);
}

static int mount_cgroup_below(void *arg)
{
	return unshare(CLONE_NEWCGROUP) < 0 ? -errno : mount_cgroup(arg);
}

static int userns_cgroup(const struct attempt *a)
{
	(void)a;
	return in_userns(mount_cgroup_below, NULL);
}

/* ---- our own entries in /proc that mean something to the host ---- */

static int raise_oom(const struct attempt *a)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)a;
	return fd < 0 || write(fd, "-1000", 5) < 0 ? -errno : 0;
}

static int remap(const struct attempt *a)
{
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);

	(void)a;
	return fd < 0 || write(fd, "0 0 4294967295", 14) < 0 ? -errno : 0;
}

#define KERNEL "/proc/sys/kernel/"

static const struct attempt rows[] = {
	{"core_pattern", "the kernel runs it as root", write_path, KERNEL "core_pattern", 0, 0},
	{"modprobe", "the kernel runs it as root", write_path, KERNEL "modprobe", 0, 0},
	{"hotplug", "the kernel runs it as root", write_path, KERNEL "hotplug", 0, 0},
	{"poweroff_cmd", "the kernel runs it as root", write_path, KERNEL "poweroff_cmd", 0, 0},
	{"binfmt_misc", "an interpreter for everybody", write_path,
		"/proc/sys/fs/binfmt_misc/register", 0, 0},
	{"sysrq", "sysrq.rst", write_path, KERNEL "sysrq", 0, 0},
	{"sysrq_trigger", "sysrq.rst: h only prints", write_path, "/proc/sysrq-trigger", 0, 0},
	{"ptrace_scope", "yama.rst", write_path, KERNEL "yama/ptrace_scope", 0, 0},
	{"panic_on_oom", "CVE-2025-52881: a write meant for an attribute", write_path,
		"/proc/sys/vm/panic_on_oom", 0, 0},
	{"route_localnet", "CVE-2020-8558", write_path,
		"/proc/sys/net/ipv4/conf/eth0/route_localnet", 0, CAPS},
	{"proc_sys", "any sysctl", write_tree, "/proc/sys", 0, CAPS},
	{"proc_irq", "where interrupts go", write_tree, "/proc/irq", 0, 0},
	{"proc_bus", "configuration space of devices", write_tree, "/proc/bus", 0, 0},
	{"proc_fs", "mounted file systems", write_tree, "/proc/fs", 0, 0},
	{"proc_acpi", "CVE-2016-9962's neighbour: Bluetooth, backlight, wake-up", write_tree,
		"/proc/acpi", 0, 0},
	{"proc_scsi", "CVE-2017-16539", write_tree, "/proc/scsi", 0, 0},
	{"dynamic_debug", "the kernel's messages", write_path, "/proc/dynamic_debug/control", 0, 0},
	{"mtrr", "memory types", write_path, "/proc/mtrr", 0, 0},
	{"uevent_helper", "the kernel runs it as root", write_path, "/sys/kernel/uevent_helper", 0,
		0},
	{"power_state", "suspends the machine", write_path, "/sys/power/wake_lock", 0, 0},
	{"sys", "any attribute of a device, driver or module", write_tree, "/sys", 0, CAPS},
	{"release_agent", "CVE-2022-0492", write_cgroup, "release_agent", 0, 0},
	{"notify_on_release", "CVE-2022-0492", write_cgroup, "notify_on_release", 0, 0},
	{"devices_allow", "device cgroup", write_cgroup, "devices.allow", 0, 0},
	{"cgroup_procs", "another cgroup's limits", write_cgroup, "cgroup.procs", 0, 0},
	{"memory_limit", "its own limits", write_cgroup, "memory.limit_in_bytes", 0, 0},
	{"pids_max", "its own limits", write_cgroup, "pids.max", 0, 0},
	{"cgroup_tree", "any cgroup file", write_tree, "/sys/fs/cgroup", 0, 0},
	{"cgroup_mount", "CVE-2022-0492", mounted_cgroup, NULL, 0, 0},
	{"userns_cgroup_mount", "CVE-2022-0492, in a user namespace of its own", userns_cgroup,
		NULL, 0, 0},
	{"oom_score", "a process that is killed last", raise_oom, NULL, 0, 0},
	{"uid_map", "host ids", remap, NULL, 0, 0},
	{"kcore", "the kernel's memory", read_path, "/proc/kcore", 0, 0},
	{"kallsyms", "the kernel's addresses", read_path, "/proc/kallsyms", 0, CAPS},
	{"kmsg", "the kernel's messages", read_path, "/proc/kmsg", 0, 0},
	{"proc_keys", "other users' keys", read_path, "/proc/keys", 0, CAPS},
	{"timer_list", "other users' processes", read_path, "/proc/timer_list", 0, CAPS},
};

const struct attempts write_attempts = {rows, ARRAY_LEN(rows)};
