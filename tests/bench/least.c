/* SPDX-License-Identifier: MIT */
/*
 * The least work that starts a container: the control in the bench.
 *
 * One process makes every namespace, an overlay root, a cgroup with limits and one veth on a
 * bridge, runs a command inside and removes what it made. No daemon, no store, no recovery, no
 * pool, nothing prepared but the unpacked root directory, which must belong to UID_BASE's range,
 * and the bridge. Trusts its arguments; run by root.
 *
 *     least --rootfs DIR --scratch DIR [--net BRIDGE] -- COMMAND...
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "least_net.h"

#define UID_BASE     2000000
#define UID_COUNT    65536
#define MEMORY_LIMIT "268435456"
#define PIDS_LIMIT   "2048"
#define CGROUP_ROOT  "/sys/fs/cgroup"

struct least {
	const char *rootfs;
	const char *scratch;
	const char *bridge;
	char *const *argv;
	char name[32];
	char dir[256];
	int go[2];
	pid_t pid;
	int pidfd;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "least: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static void must(int r, const char *what)
{
	if (r < 0)
		die(what);
}

/* Writes a whole small file; 0 or -1 with errno. */
static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

/* cgroup v1 has one directory a controller, v2 one for all. */
struct limit {
	const char *hierarchy;
	const char *file;
	const char *value;
};

static const struct limit limits_v1[] = {
	{"memory", "memory.limit_in_bytes", MEMORY_LIMIT},
	{"pids", "pids.max", PIDS_LIMIT},
	{NULL, NULL, NULL},
};

static const struct limit limits_v2[] = {
	{"", "memory.max", MEMORY_LIMIT},
	{"", "pids.max", PIDS_LIMIT},
	{NULL, NULL, NULL},
};

static const struct limit *limits(void)
{
	return access(CGROUP_ROOT "/cgroup.controllers", F_OK) == 0 ? limits_v2 : limits_v1;
}

static void cgroup_path(
	const struct least *l, const struct limit *row, const char *file, char *path, size_t size)
{
	snprintf(path, size, CGROUP_ROOT "/%s/%s%s%s", row->hierarchy, l->name, *file ? "/" : "",
		file);
}

static void cgroup_make(const struct least *l)
{
	const struct limit *row;
	char path[512];

	for (row = limits(); row->file; row++) {
		cgroup_path(l, row, "", path, sizeof(path));
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			die(path);
		cgroup_path(l, row, row->file, path, sizeof(path));
		must(put(path, row->value), path);
	}
}

static void cgroup_join(const struct least *l)
{
	const struct limit *row;
	char path[512], text[16];

	snprintf(text, sizeof(text), "%d", l->pid);
	for (row = limits(); row->file; row++) {
		if (row > limits() && strcmp(row->hierarchy, row[-1].hierarchy) == 0)
			continue;
		cgroup_path(l, row, "cgroup.procs", path, sizeof(path));
		must(put(path, text), path);
	}
}

static void cgroup_remove(const struct least *l)
{
	const struct limit *row;
	char path[512];
	int i;

	for (row = limits(); row->file; row++) {
		cgroup_path(l, row, "", path, sizeof(path));
		/* A reaped task may still be on its way out of the cgroup. */
		for (i = 0; rmdir(path) < 0 && errno == EBUSY && i < 1000; i++)
			usleep(100);
	}
}

static void scratch_make(struct least *l)
{
	static const char *const names[] = {"upper", "work", "root"};
	char path[512];
	size_t i;

	snprintf(l->dir, sizeof(l->dir), "%s/%s", l->scratch, l->name);
	must(mkdir(l->dir, 0755), l->dir);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", l->dir, names[i]);
		must(mkdir(path, 0755), path);
		must(chown(path, UID_BASE, UID_BASE), path);
	}
}

/* Removes a directory and all below it, without following links. */
static void tree_remove(int at, const char *name)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (unlinkat(at, name, 0) == 0 || unlinkat(at, name, AT_REMOVEDIR) == 0)
		return;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		die(name);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			tree_remove(fd, entry->d_name);
	closedir(dir);
	must(unlinkat(at, name, AT_REMOVEDIR), name);
}

static void id_maps_write(const struct least *l)
{
	static const char *const files[] = {"uid_map", "gid_map"};
	char path[64], text[64];
	size_t i;

	snprintf(text, sizeof(text), "0 %d %d", UID_BASE, UID_COUNT);
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", l->pid, files[i]);
		must(put(path, text), path);
	}
}

static void wait_go(const struct least *l)
{
	char byte;

	if (read(l->go[0], &byte, 1) != 1)
		_exit(125);
}

/* A child that is gone has said why; its exit code is collected as ever. */
static void say_go(const struct least *l)
{
	if (write(l->go[1], "", 1) != 1 && errno != EPIPE)
		die("go");
}

static void child_identity(void)
{
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(0, 0, 0), "setresgid");
	must(setresuid(0, 0, 0), "setresuid");
	/* Only now is this process in its cgroup: the namespace's root is where it is made. */
	must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
	must(sethostname("least", 5), "sethostname");
}

static void child_root(const struct least *l)
{
	char options[1024];

	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private /");
	/* volatile: the upper directory is about to be removed, so nothing waits for the disk. */
	snprintf(options, sizeof(options),
		"lowerdir=%s,upperdir=%s/upper,workdir=%s/work,userxattr,volatile", l->rootfs,
		l->dir, l->dir);
	must(chdir(l->dir), l->dir);
	must(mount("overlay", "root", "overlay", 0, options), "overlay");
	must(chdir("root"), "root");
}

static void child_dev(void)
{
	static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
	char from[32], to[32];
	size_t i;
	int fd;

	must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"), "/dev");
	for (i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		snprintf(from, sizeof(from), "/dev/%s", nodes[i]);
		snprintf(to, sizeof(to), "dev/%s", nodes[i]);
		fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		must(fd, to);
		close(fd);
		must(mount(from, to, NULL, MS_BIND, NULL), to);
	}
	must(mkdir("dev/pts", 0755), "/dev/pts");
	must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		     "newinstance,ptmxmode=0666"),
		"/dev/pts");
	must(mkdir("dev/shm", 01777), "/dev/shm");
	must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777"),
		"/dev/shm");
	must(mkdir("dev/mqueue", 0755), "/dev/mqueue");
	must(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
		"/dev/mqueue");
}

static void child_mounts(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	must(mount("proc", "proc", "proc", flags, NULL), "/proc");
	must(mount("sysfs", "sys", "sysfs", flags | MS_RDONLY, NULL), "/sys");
	child_dev();
}

static void child_pivot(void)
{
	must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "old root");
	must(chdir("/"), "/");
}

static _Noreturn void child(const struct least *l)
{
	close(l->go[1]);
	must(prctl(PR_SET_PDEATHSIG, SIGKILL), "parent death signal");
	wait_go(l);
	child_identity();
	child_root(l);
	child_mounts();
	wait_go(l);
	if (l->bridge && net_inside((uint32_t)atoi(l->name + strlen("least"))) < 0)
		die("network inside");
	child_pivot();
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(clearenv(), "environment");
	must(setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1), "environment");
	execvp(l->argv[0], l->argv);
	fprintf(stderr, "least: %s: %s\n", l->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void spawn(struct least *l)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_NEWTIME | CLONE_PIDFD,
		.pidfd = (uintptr_t)&l->pidfd,
		.exit_signal = SIGCHLD,
	};

	must(pipe2(l->go, O_CLOEXEC), "pipe");
	l->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	must(l->pid, "clone3");
	if (l->pid == 0)
		child(l);
	close(l->go[0]);
}

static int collect(const struct least *l)
{
	siginfo_t info;

	must(waitid(P_PIDFD, (id_t)l->pidfd, &info, WEXITED), "wait");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static void parse_args(struct least *l, int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--"); i += 2) {
		if (!strcmp(argv[i], "--rootfs"))
			l->rootfs = argv[i + 1];
		else if (!strcmp(argv[i], "--scratch"))
			l->scratch = argv[i + 1];
		else if (!strcmp(argv[i], "--net"))
			l->bridge = argv[i + 1];
		else
			break;
	}
	if (!l->rootfs || !l->scratch || i + 1 >= argc || strcmp(argv[i], "--")) {
		fprintf(stderr,
			"usage: least --rootfs DIR --scratch DIR [--net BRIDGE] -- COMMAND...\n");
		exit(125);
	}
	l->argv = argv + i + 1;
}

int main(int argc, char **argv)
{
	struct least l = {.pidfd = -1};
	int code;

	parse_args(&l, argc, argv);
	snprintf(l.name, sizeof(l.name), "least%d", getpid());
	signal(SIGPIPE, SIG_IGN);
	scratch_make(&l);
	cgroup_make(&l);
	spawn(&l);
	id_maps_write(&l);
	cgroup_join(&l);
	say_go(&l);
	if (l.bridge && net_outside(l.bridge, l.name, l.pid) < 0)
		die("network outside");
	say_go(&l);
	code = collect(&l);
	cgroup_remove(&l);
	tree_remove(AT_FDCWD, l.dir);
	return code;
}
