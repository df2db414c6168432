/* SPDX-License-Identifier: MIT */
/*
 * The process and its cgroup: joining through descriptors that cgroupd opened, a namespace of its
 * own, and the view of it below /sys/fs/cgroup. Also what the kernel knows by name: sysctls, host
 * name.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "inroot.h"
#include "mnt.h"
#include "phase.h"

#define INERT	      (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define CGROUPS_MAX   16384
#define HIERARCHY_MAX 64

/* "0" is the writer; what may be written is judged by who opened the file (cgroup v1 and v2
 * since 5.16). */
int cgroup_join(const int *procs, uint32_t n, struct err *e)
{
	for (uint32_t i = 0; i < n; i++)
		if (write(procs[i], "0", 1) != 1)
			return err_errno(e, errno, "joining the container's cgroup");
	return 0;
}

/* The file belongs to root while its process is not dumpable; proc(5). */
int oom_set_score(int64_t score, struct err *e)
{
	char text[12];
	int r;

	if (score == 0)
		return 0;
	snprintf(text, sizeof(text), "%d", (int)score);
	prctl(PR_SET_DUMPABLE, 1);
	r = fd_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	prctl(PR_SET_DUMPABLE, 0);
	if (r == -EACCES)
		return err_set(e, EACCES, "oom score %s: a container can only raise its own", text);
	return r < 0 ? err_errno(e, r, "setting the oom score to %s", text) : 0;
}

int phase_cgroup(struct child *c, struct order *o, struct err *e)
{
	int r = oom_set_score(o->spec.oom_score_adj, e);

	(void)c;
	if (r == 0)
		r = cgroup_join(o->msg.procs.v, o->msg.procs.n, e);
	if (r == 0 && unshare(CLONE_NEWCGROUP) < 0)
		r = err_errno(e, errno, "making a cgroup namespace");
	return r;
}

/* ---- /sys/fs/cgroup ---- */

/* What programs read their limits from; the other hierarchies of v1 tell them nothing. */
static bool shows_limits(const char *controllers)
{
	static const char *const wanted[] = {"cpu", "cpuacct", "cpuset", "memory", "pids"};

	for (unsigned int i = 0; i < ARRAY_LEN(wanted); i++)
		if (strncmp(controllers, wanted[i], strlen(wanted[i])) == 0)
			return true;
	return false;
}

/* One v1 hierarchy, by the names of its controllers: "cpu,cpuacct". */
static int mount_v1(int dir, char *controllers, struct err *e)
{
	struct mnt_option options[HIERARCHY_MAX] = {0};
	_cleanup_fd_ int mnt = -1;
	char name[256], *save = NULL;
	unsigned int n = 0;
	int r;

	if (!shows_limits(controllers) ||
		(size_t)snprintf(name, sizeof(name), "%s", controllers) >= sizeof(name))
		return 0;
	for (char *p = strtok_r(controllers, ",", &save); p && n + 1 < HIERARCHY_MAX;
		p = strtok_r(NULL, ",", &save))
		options[n++] = (struct mnt_option){p, NULL};
	r = mnt_new("cgroup", options, INERT | MOUNT_ATTR_RDONLY, &mnt, NULL);
	if (r < 0)
		return 0; /* not for a user namespace on this kernel: nothing is shown */
	if (mkdirat(dir, name, 0555) < 0)
		return err_errno(e, errno, "making %s", name);
	r = mnt_put(mnt, dir, name);
	return r < 0 ? err_errno(e, r, "mounting %s", name) : 0;
}

static int mount_v2(int dir, const char *name, struct err *e)
{
	_cleanup_fd_ int mnt = -1;
	int r = mnt_new("cgroup2", NULL, INERT | MOUNT_ATTR_RDONLY, &mnt, e);

	if (r < 0)
		return r;
	if (*name && mkdirat(dir, name, 0555) < 0)
		return err_errno(e, errno, "making %s", name);
	r = *name ? mnt_put(mnt, dir, name) : mnt_put_on(mnt, dir);
	return r < 0 ? err_errno(e, r, "mounting the cgroup file system") : 0;
}

/* Lines are ID:CONTROLLERS:PATH; v2's has no controllers; cgroups(7). */
static int mount_each(int dir, char *lines, struct err *e)
{
	char *save = NULL;
	int r = 0;

	for (char *l = strtok_r(lines, "\n", &save); l && r == 0; l = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(l, ':'), *end;

		end = controllers ? strchr(++controllers, ':') : NULL;
		if (!end)
			continue;
		*end = '\0';
		r = *controllers ? mount_v1(dir, controllers, e) : mount_v2(dir, "unified", e);
	}
	return r;
}

/* v1: a tmpfs of read-only hierarchies, as everywhere; v2: the one file system. */
int phase_cgroupfs(struct child *c, struct order *o, struct err *e)
{
	static const struct mnt_option options[] = {{"mode", "0755"}, {"size", "1m"}, {NULL, NULL}};
	_cleanup_fd_ int target = openat(c->sys, "fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC),
			 dir = -1;
	_cleanup_free_ char *lines = NULL;
	int r;

	(void)o;
	if (target < 0)
		return 0; /* a kernel without cgroups in sysfs has nothing to show */
	r = fd_read_file_at(c->proc, "self/cgroup", CGROUPS_MAX, &lines, NULL);
	if (r < 0)
		return err_errno(e, r, "/proc/self/cgroup");
	if (strncmp(lines, "0::", 3) == 0 && !strchr(lines, '\n')[1])
		return mount_v2(target, "", e);
	r = mnt_new("tmpfs", options, INERT, &dir, e);
	if (r < 0)
		return r;
	r = mnt_put_on(dir, target);
	if (r < 0)
		return err_errno(e, r, "mounting on /sys/fs/cgroup");
	r = mount_each(dir, lines, e);
	if (r < 0)
		return r;
	r = mnt_change(dir, MOUNT_ATTR_RDONLY, 0, 0, false);
	return r < 0 ? err_errno(e, r, "making /sys/fs/cgroup read-only") : 0;
}

/* ---- sysctls and names ---- */

/* net.ipv4.ip_forward=1; the name's dots are slashes, and a slash a dot, as sysctl(8) has it. */
static int write_sysctl(int sysctl, const char *setting, struct err *e)
{
	const char *value = strchr(setting, '=');
	char name[256];
	_cleanup_fd_ int fd = -1;
	size_t n = value ? (size_t)(value - setting) : 0;

	if (n == 0 || n >= sizeof(name))
		return err_set(e, EINVAL, "%s: not name=value", setting);
	for (size_t i = 0; i < n; i++)
		name[i] = setting[i] == '.' ? '/' : setting[i] == '/' ? '.' : setting[i];
	name[n] = '\0';
	fd = inroot_open_strict(sysctl, name, O_WRONLY);
	value++;
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		return err_errno(e, fd < 0 ? fd : errno, "setting %s", setting);
	return 0;
}

int phase_sysctl(struct child *c, struct order *o, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; i < o->spec.sysctls.n && r == 0; i++)
		r = write_sysctl(c->sysctl, o->spec.sysctls.v[i], e);
	return r;
}

int phase_names(struct child *c, struct order *o, struct err *e)
{
	const char *host = o->spec.hostname, *domain = o->spec.domainname;

	(void)c;
	if (sethostname(host, strlen(host)) < 0)
		return err_errno(e, errno, "setting the host name %s", host);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return err_errno(e, errno, "setting the domain name %s", domain);
	return 0;
}
