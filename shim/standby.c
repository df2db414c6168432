/* SPDX-License-Identifier: MIT */
/*
 * What the first process can do before it knows its spec: /dev, /proc and /sys, complete and
 * masked, on a tmpfs that no image ever sees. Moving such a tree into place later is one system
 * call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "mnt.h"
#include "phase.h"

#define INERT	 (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define CPUS_MAX 8192

static const struct {
	const char *name;
	mode_t mode;
} work_dirs[] = {{"dev", 0755}, {"proc", 0755}, {"sys", 0755}, {"root", 0755}, {"layers", 0755},
	{"etc", 0755}, {MASK_DIR, 0555}};

/* Only mounts that nobody else can see or take part in. */
static int make_work(struct child *c, struct err *e)
{
	static const struct mnt_option options[] = {{"mode", "0700"}, {"size", "4m"}, {NULL, NULL}};
	int fd, r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, errno, "making mounts private");
	r = mnt_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &c->work, e);
	if (r < 0)
		return r;
	r = mnt_put(c->work, AT_FDCWD, "/mnt");
	if (r < 0)
		return err_errno(e, r, "mounting a tmpfs on /mnt");
	for (unsigned int i = 0; i < ARRAY_LEN(work_dirs); i++)
		if (mkdirat(c->work, work_dirs[i].name, work_dirs[i].mode) < 0)
			return err_errno(e, errno, "/mnt/%s", work_dirs[i].name);
	fd = openat(c->work, MASK_FILE, O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
	if (fd < 0)
		return err_errno(e, errno, "/mnt/masked");
	close(fd);
	return 0;
}

static int mount_at(int mnt, int dir, const char *name, struct err *e)
{
	int r = mnt_put(mnt, dir, name);

	return r < 0 ? err_errno(e, r, "mounting %s", name) : 0;
}

/* A kernel file system on dir/name, which is made; the mount's descriptor is handed out or closed.
 */
static int mount_new(const char *type, const struct mnt_option *options, unsigned int attrs,
	int dir, const char *name, int *ret, struct err *e)
{
	_cleanup_fd_ int mnt = -1;
	int r;

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return err_errno(e, errno, "making %s", name);
	r = mnt_new(type, options, attrs, &mnt, e);
	if (r == 0)
		r = mount_at(mnt, dir, name, e);
	if (r == 0 && ret)
		*ret = take_fd(&mnt);
	return r;
}

/* ---- /dev ---- */

static const char *const dev_nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};

static const struct {
	const char *name, *to;
} dev_links[] = {{"ptmx", "pts/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}};

/* Device nodes can't be made in a user namespace; the stage's are cloned, one mount each. */
static int dev_node(int stage, int dev, const char *name, struct err *e)
{
	_cleanup_fd_ int mnt = -1, file = -1;
	int r;

	file = openat(dev, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	if (file < 0)
		return err_errno(e, errno, "making /dev/%s", name);
	r = mnt_clone(stage, name, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, &mnt);
	if (r < 0)
		return err_errno(e, r, "the stage's /dev/%s", name);
	return mount_at(mnt, dev, name, e);
}

static int dev_mounts(struct child *c, struct err *e)
{
	static const struct mnt_option pts[] = {{"newinstance", NULL}, {"ptmxmode", "0666"},
		{"mode", "0620"}, {"gid", "5"}, {NULL, NULL}};
	static const struct mnt_option shm[] = {{"mode", "1777"}, {"size", "64m"}, {NULL, NULL}};
	int r = mount_new(
		"devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, c->dev, "pts", &c->pts, e);

	if (r == 0)
		r = mount_new("mqueue", NULL, INERT, c->dev, "mqueue", NULL, e);
	if (r == 0)
		r = mount_new("tmpfs", shm, INERT, c->dev, "shm", NULL, e);
	return r;
}

static int standby_dev(struct child *c, struct err *e)
{
	static const struct mnt_option options[] = {
		{"mode", "0755"}, {"size", "64m"}, {NULL, NULL}};
	_cleanup_fd_ int stage = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (stage < 0)
		return err_errno(e, errno, "/dev of the stage");
	r = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, c->work, "dev",
		&c->dev, e);
	for (unsigned int i = 0; r == 0 && i < ARRAY_LEN(dev_nodes); i++)
		r = dev_node(stage, c->dev, dev_nodes[i], e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < ARRAY_LEN(dev_links); i++)
		if (symlinkat(dev_links[i].to, c->dev, dev_links[i].name) < 0)
			return err_errno(e, errno, "making /dev/%s", dev_links[i].name);
	c->null = openat(c->dev, "null", O_RDWR | O_CLOEXEC);
	return c->null < 0 ? err_errno(e, errno, "/dev/null") : dev_mounts(c, e);
}

/* ---- masks ---- */

/* Our own inode on our own tmpfs: nothing that a container could have put there. Absent paths are
 * skipped. */
static int mask(struct child *c, int dir, const char *name, struct err *e)
{
	_cleanup_fd_ int target = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), mnt = -1;
	struct stat st;
	int r;

	if (target < 0 && errno == ENOENT)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return err_errno(e, errno, "masking %s", name);
	r = mnt_clone(c->work, S_ISDIR(st.st_mode) ? MASK_DIR : MASK_FILE,
		INERT | MOUNT_ATTR_RDONLY, false, &mnt);
	if (r == 0)
		r = mnt_put_on(mnt, target);
	return r < 0 ? err_errno(e, r, "masking %s", name) : 0;
}

static int freeze(int dir, const char *name, struct err *e)
{
	_cleanup_fd_ int mnt = -1;
	int r = mnt_clone(dir, name, MOUNT_ATTR_RDONLY, false, &mnt);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = mnt_put(mnt, dir, name);
	return r < 0 ? err_errno(e, r, "making %s read-only", name) : 0;
}

static int mask_all(struct child *c, int dir, const char *const *names, struct err *e)
{
	int r = 0;

	for (; *names && r == 0; names++)
		r = mask(c, dir, *names, e);
	return r;
}

/* ---- /proc and /sys ---- */

static const char *const proc_masked[] = {"acpi", "asound", "interrupts", "kallsyms", "kcore",
	"keys", "latency_stats", "modules", "sched_debug", "scsi", "timer_list", "timer_stats",
	NULL};
static const char *const proc_frozen[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};
static const char *const sys_masked[] = {"firmware", "kernel/debug", "kernel/tracing",
	"kernel/security", "devices/virtual/powercap", NULL};

int standby_proc(struct child *c, bool bare, struct err *e)
{
	int r;

	fd_close(&c->proc);
	fd_close(&c->sysctl);
	r = mount_new("proc", NULL, INERT, c->work, "proc", &c->proc, e);
	if (r < 0)
		return r;
	c->sysctl = openat(c->proc, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->sysctl < 0)
		return err_errno(e, errno, "/proc/sys");
	if (bare)
		return 0;
	r = mask_all(c, c->proc, proc_masked, e);
	for (unsigned int i = 0; r == 0 && i < ARRAY_LEN(proc_frozen); i++)
		r = freeze(c->proc, proc_frozen[i], e);
	return r;
}

/* Timing of thermal events tells containers about each other (PLATYPUS and kin). */
static int mask_throttle(struct child *c, struct err *e)
{
	char name[64];
	int r = 0;

	for (int i = 0; i < CPUS_MAX && r == 0; i++) {
		snprintf(name, sizeof(name), "devices/system/cpu/cpu%d", i);
		if (faccessat(c->sys, name, F_OK, 0) < 0)
			break;
		snprintf(name, sizeof(name), "devices/system/cpu/cpu%d/thermal_throttle", i);
		r = mask(c, c->sys, name, e);
	}
	return r;
}

/* With the host's network namespace a sysfs of our own is refused (it shows network devices), so
 * the stage's is cloned. */
int standby_sys(struct child *c, bool bare, struct err *e)
{
	unsigned int attrs = INERT | (bare ? 0 : MOUNT_ATTR_RDONLY);
	int r;

	fd_close(&c->sys);
	if (!c->host_net) {
		r = mount_new("sysfs", NULL, attrs, c->work, "sys", &c->sys, e);
	} else {
		r = mnt_clone(AT_FDCWD, "/sys", INERT | MOUNT_ATTR_RDONLY, true, &c->sys);
		r = r < 0 ? err_errno(e, r, "the stage's /sys")
			  : mount_at(c->sys, c->work, "sys", e);
	}
	if (r == 0 && !bare)
		r = mask_all(c, c->sys, sys_masked, e);
	if (r == 0 && !bare)
		r = mask_throttle(c, e);
	return r;
}

/* Low ports and ping without capabilities: the network namespace is the container's own. Kernels
 * without one of these keep their default. */
static void open_network(struct child *c)
{
	if (c->host_net)
		return;
	fd_write_file_at(c->sysctl, "net/ipv4/ip_unprivileged_port_start", "0");
	fd_write_file_at(c->sysctl, "net/ipv4/ping_group_range", "0 65535");
}

int standby_prepare(struct child *c, struct err *e)
{
	int r = make_work(c, e);

	if (r == 0)
		r = standby_dev(c, e);
	if (r == 0)
		r = standby_proc(c, false, e);
	if (r == 0)
		r = standby_sys(c, false, e);
	if (r == 0)
		open_network(c);
	return r;
}
