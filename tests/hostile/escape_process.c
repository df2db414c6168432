/* SPDX-License-Identifier: MIT */
/*
 * Attempts by other processes, descriptors, keys and terminals; and the watch for processes of the
 * engine that pass through the container.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "escape.h"

#define FDS_MAX 4096

int each_process(int (*fn)(int pid, int proc))
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int r = -ENOENT;

	while (d && r != 0 && (e = readdir(d))) {
		int proc, now;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		proc = openat(dirfd(d), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		now = fn(atoi(e->d_name), proc);
		if (now != -ENOENT)
			r = now;
		close(proc);
	}
	if (d)
		closedir(d);
	return r;
}

/* A container's program has a name inside, and that name leads to the same file. */
bool is_foreign(int pid)
{
	char link[64], target[1024];
	struct stat there, here;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return errno != ENOENT && errno != ESRCH;
	target[n] = '\0';
	return stat(link, &there) == 0 && (stat(target, &here) < 0 || there.st_dev != here.st_dev ||
						  there.st_ino != here.st_ino);
}

/* ---- what /proc offers of others ---- */

static int enter_root(int pid, int proc)
{
	int fd = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	say("/proc/%d/root is another root", pid);
	return is_our_root(fd) ? -ENOENT : 0;
}

/* A directory that getcwd can't name lies outside. */
static int enter_cwd(int pid, int proc)
{
	char where[4096];

	if (fchdir(proc) < 0 || chdir("cwd") < 0)
		return -errno;
	if (!getcwd(where, sizeof(where)) || where[0] == '/')
		return -ENOENT;
	say("/proc/%d/cwd is %s", pid, where);
	return 0;
}

static int write_exe(int pid, int proc)
{
	int fd = openat(proc, "exe", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		say("/proc/%d/exe opens for writing", pid);
	return fd < 0 ? -errno : 0;
}

static int open_memory(int pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	say("opened %s", path);
	return 0;
}

static int trace(int pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return -errno;
	say("traces process %d", pid);
	return 0;
}

static int take_fd(int pid)
{
	int pidfd = pidfd_open(pid, 0), r = -EBADF;

	for (int fd = 0; fd < 16 && pidfd >= 0 && r != 0; fd++)
		r = pidfd_getfd(pidfd, fd, 0) < 0 ? -errno : 0;
	if (pidfd >= 0)
		close(pidfd);
	if (r == 0)
		say("took a descriptor of process %d", pid);
	return r;
}

static int list_fds(int pid)
{
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	closedir(d);
	say("listed %s", path);
	return 0;
}

static int read_maps(int pid)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &byte, 1) < 0)
		return -errno;
	say("read %s", path);
	return 0;
}

static int read_memory(int pid)
{
	char buf[8];
	struct iovec mine = {buf, sizeof(buf)}, theirs = {(void *)0x400000, sizeof(buf)};

	/* A process that may be read answers EFAULT for an address that it hasn't. */
	if (process_vm_readv(pid, &mine, 1, &theirs, 1, 0) < 0 && errno != EFAULT)
		return -errno;
	say("reads the memory of process %d", pid);
	return 0;
}

static int (*const holds[])(int pid) = {
	open_memory, trace, take_fd, list_fds, read_maps, read_memory};

static long hold_index;

static int hold_foreign(int pid, int proc)
{
	(void)proc;
	return pid != getpid() && is_foreign(pid) ? holds[hold_index](pid) : -ENOENT;
}

static int hold(const struct attempt *a)
{
	hold_index = a->number;
	return each_process(hold_foreign);
}

static int (*const looks[])(int pid, int proc) = {enter_root, enter_cwd, write_exe};

static int look(const struct attempt *a)
{
	return each_process(looks[a->number]);
}

/* ---- descriptors ---- */

static int leaked_fd(const struct attempt *a)
{
	char path[32], target[256];

	(void)a;
	/* The program's own: a pipe for the answer, two ends. */
	for (int fd = 3; fd < FDS_MAX; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0 || fcntl(fd, F_GETFD) & FD_CLOEXEC)
			continue;
		target[n] = '\0';
		say("descriptor %d is %s", fd, target);
		return 0;
	}
	say("0, 1 and 2 alone");
	return HARMLESS;
}

/* The streams must not be files of the host, nor lead into a directory. */
static int reopen_streams(const struct attempt *a)
{
	char path[32];
	struct stat st;

	(void)a;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode) ||
			(S_ISREG(st.st_mode) && open(path, O_RDWR | O_CLOEXEC) >= 0)) {
			say("stream %d can be opened again", fd);
			return 0;
		}
	}
	say("pipes, /dev/null or a terminal of its own");
	return HARMLESS;
}

static int send_fd(const struct attempt *a)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int r = -ENOTSOCK;

	(void)a;
	*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	for (int fd = 0; fd < 3 && r != 0; fd++) {
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		r = sendmsg(fd, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
		if (r == 0)
			say("whoever reads stream %d got a descriptor", fd);
	}
	return r;
}

/* ---- keys ---- */

static int host_key(const struct attempt *a)
{
	const char *name = getenv("ESCAPE_KEY");
	char buf[64];
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, a->number, "user", name ? name : "escape", 0);

	if (key < 0 || syscall(SYS_keyctl, KEYCTL_READ, key, buf, sizeof(buf)) < 0)
		return -errno;
	say("read the key %s of the session that started the engine", name);
	return 0;
}

/* The kernel runs /sbin/request-key as the host's root, with arguments that it checks; what that
 * answers doesn't matter, request_key(2). */
static int upcall(const struct attempt *a)
{
	(void)a;
	if (syscall(SYS_request_key, "user", "escape:upcall", "x", 0) < 0 &&
		(errno == EPERM || errno == ENOSYS || errno == EACCES))
		return -errno;
	return 0;
}

static int add_key(const struct attempt *a)
{
	(void)a;
	return syscall(SYS_add_key, "user", "escape", "x", 1, KEY_SPEC_PROCESS_KEYRING) < 0 ? -errno
											    : 0;
}

/* ---- terminals ---- */

/* A terminal of the container's own devpts is its own business: the shim reads its master.
 * /dev/tty is the one of the session, which is stdin's if that is in it. */
static bool is_own_terminal(int fd, const char *name)
{
	struct stat pts, st;

	if (strcmp(name, "/dev/tty") == 0) {
		if (tcgetsid(STDIN_FILENO) != getsid(0))
			return false;
		fd = STDIN_FILENO;
	}
	return stat("/dev/pts", &pts) == 0 && fstat(fd, &st) == 0 && st.st_dev == pts.st_dev;
}

static int type_into(const struct attempt *a)
{
	static const char *const names[] = {"/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2",
		"/dev/tty", "/dev/console", "/dev/tty1", "/dev/pts/0", "/dev/pts/1"};
	int r = -ENOTTY;

	for (size_t i = 0; i < ARRAY_LEN(names) && r != 0; i++) {
		int fd = open(names[i], O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		char words[2] = {3, 0}; /* TIOCLINUX 3: paste what is selected */

		if (fd < 0)
			continue;
		if (a->number == TIOCSTI)
			words[0] = '\n';
		r = !isatty(fd)					     ? -ENOTTY
		    : ioctl(fd, (unsigned long)a->number, words) < 0 ? -errno
								     : 0;
		if (r == 0 && is_own_terminal(fd, names[i]))
			r = HARMLESS;
		say(r == HARMLESS ? "%s is a terminal of its own" : "typed into %s", names[i]);
		close(fd);
	}
	return r;
}

/* ---- what only looks like power over others ---- */

static int set_mm(const struct attempt *a)
{
	(void)a;
	return prctl(PR_SET_MM, PR_SET_MM_START_BRK, sbrk(0), 0, 0) < 0 ? -errno : 0;
}

/* Runs program --euid, which tells whether it has become root. */
static int gain(const char *program, int fd)
{
	char *const argv[] = {(char[]){"escape"}, (char[]){"--euid"}, NULL}, *const env[] = {NULL};
	int status = 0;
	pid_t pid;

	if (geteuid() == 0) {
		say("root of the container already");
		return HARMLESS;
	}
	pid = fork();
	if (pid == 0) {
		if (fd >= 0)
			fexecve(fd, argv, env);
		else
			execve(program, argv, env);
		_exit(2);
	}
	waitpid(pid, &status, 0);
	say("%s became root", program);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? 0 : -EPERM;
}

static int run_setuid(const struct attempt *a)
{
	return gain(a->path, -1);
}

/* MFD_… memory is executable; a set-user-id bit on it must mean nothing. */
static int run_memory(const struct attempt *a)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = memfd_create("x", 0);
	char buf[65536];
	ssize_t n;

	while (from >= 0 && (n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			return -errno;
	if (from < 0 || fd < 0 || fchmod(fd, 04755) < 0)
		return -errno;
	return gain(a->path, fd);
}

static const struct attempt rows[] = {
	{"proc_root", "/proc/PID/root of the engine", look, NULL, 0, 0},
	{"proc_cwd", "CVE-2024-21626", look, NULL, 1, 0},
	{"proc_exe", "CVE-2019-5736", look, NULL, 2, 0},
	{"proc_mem", "no process of the engine's in sight", hold, NULL, 0, 0},
	{"ptrace", "no process of the engine's in sight", hold, NULL, 1, 0},
	{"pidfd_getfd", "no process of the engine's in sight", hold, NULL, 2, 0},
	{"proc_fd", "no process of the engine's in sight", hold, NULL, 3, 0},
	{"proc_maps", "no process of the engine's in sight", hold, NULL, 4, 0},
	{"process_vm_readv", "no process of the engine's in sight", hold, NULL, 5, 0},
	{"leaked_fd", "CVE-2024-21626", leaked_fd, NULL, 0, 0},
	{"streams", "CVE-2016-9962: a host file by its descriptor", reopen_streams, NULL, 0, 0},
	{"scm_rights", "a descriptor pushed to the client", send_fd, NULL, 0, 0},
	{"session_keyring", "keys of whoever started the engine", host_key, NULL,
		KEY_SPEC_SESSION_KEYRING, 0},
	{"user_keyring", "keys of the host's root", host_key, NULL, KEY_SPEC_USER_KEYRING, 0},
	{"request_key", "a program run on the host, if it has one", upcall, NULL, 0, FILTER},
	{"add_key", "CVE-2016-0728: keyrings are attack surface", add_key, NULL, 0, FILTER},
	{"TIOCSTI", "CVE-2017-5226: typing into the caller's terminal", type_into, NULL, TIOCSTI,
		0},
	{"TIOCLINUX", "CVE-2023-28339: likewise by pasting", type_into, NULL, TIOCLINUX, 0},
	{"PR_SET_MM", "another program's name and arguments", set_mm, NULL, 0, 0},
	{"setuid", "root by a set-user-id program of the image", run_setuid, "/escape-suid", 0, 0},
	{"memfd_exec", "root by a set-user-id program in memory", run_memory, "memory", 0, 0},
};

const struct attempts process_attempts = {rows, ARRAY_LEN(rows)};
