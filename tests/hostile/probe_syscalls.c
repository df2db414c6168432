/* SPDX-License-Identifier: MIT */
/*
 * Tries system calls from inside a container and says what came of each, one a line: its number,
 * its name here, and an error's name, "ok", "waits", "ends" or "signal N". Static, so that any
 * image can run it.
 *
 *	probe_syscalls numbers [FIRST LAST]	every number, each in a child of its own
 *	probe_syscalls arguments		those that depend on an argument, and foreign ABIs
 *	probe_syscalls cost			nanoseconds of a call that is only looked at
 *
 * Arguments are -1 throughout: no such descriptor, pointer, process or flag, so what gets past the
 * filter fails in the kernel without an effect.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 2000
#define X32_BIT	    0x40000000L
#define VSOCK	    40
#define ALG	    38
#define TIOCLINUX_  0x541c
#define HIGH_BITS   (1L << 32)

struct call {
	const char *what;
	long nr, args[3];
	int foreign; /* through int $0x80 */
};

#if defined(__x86_64__)
static long call_i386(long nr, long a)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}
#else
static long call_i386(long nr, long a)
{
	(void)nr;
	(void)a;
	return -ENOSYS;
}
#endif

/* In a child. Exits with the error, 0 for none; 254 marks one that is too large to tell. */
static void attempt(const struct call *c)
{
	pid_t self = getpid();
	long r;

	/* What it would do to others: their streams, the terminal. */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	errno = 0;
	if (c->foreign) {
		r = call_i386(c->nr, c->args[0]);
		if (r < 0 && r > -4096) {
			errno = (int)-r;
			r = -1;
		}
	} else {
		r = syscall(c->nr, c->args[0], c->args[1], c->args[2], -1L, -1L, -1L);
	}
	if (getpid() != self)
		_exit(0); /* fork's and vfork's child */
	_exit(r != -1 || errno == 0 ? 0 : errno < 254 ? errno : 254);
}

static void describe(int status, char *buf, size_t n)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		snprintf(buf, n, "waits");
	else if (WIFSIGNALED(status))
		snprintf(buf, n, "signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0)
		snprintf(buf, n, "ok");
	else if (WEXITSTATUS(status) == 255)
		snprintf(buf, n, "ends"); /* exit(-1) */
	else
		snprintf(buf, n, "%s", strerrorname_np(WEXITSTATUS(status)));
}

/* Killed when it has not come back in time. */
static void run(const struct call *c, char *buf, size_t n)
{
	sigset_t chld;
	const struct timespec patience = {PATIENCE_MS / 1000, 0};
	pid_t pid;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		setpgid(0, 0);
		attempt(c);
	}
	if (sigtimedwait(&chld, NULL, &patience) < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	while (sigtimedwait(&chld, NULL, &(struct timespec){0, 0}) > 0)
		;
	describe(status, buf, n);
}

static void numbers(long first, long last)
{
	char text[64];

	for (long nr = first; nr <= last; nr++) {
		struct call c = {.nr = nr, .args = {-1, -1, -1}};

		/* Its child would run on in this one's memory and stack. */
		if (nr == SYS_vfork)
			c.nr = SYS_fork;
		run(&c, text, sizeof(text));
		printf("%ld %s\n", nr, text);
	}
}

static const struct call calls[] = {
	{"clone(SIGCHLD)", SYS_clone, {SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWUSER)", SYS_clone, {CLONE_NEWUSER | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWNS)", SYS_clone, {CLONE_NEWNS | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWPID)", SYS_clone, {CLONE_NEWPID | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWNET)", SYS_clone, {CLONE_NEWNET | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWIPC)", SYS_clone, {CLONE_NEWIPC | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWUTS)", SYS_clone, {CLONE_NEWUTS | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWCGROUP)", SYS_clone, {CLONE_NEWCGROUP | SIGCHLD, 0, 0}, 0},
	{"clone(CLONE_NEWUSER), bit 32 set", SYS_clone, {CLONE_NEWUSER | SIGCHLD | HIGH_BITS, 0, 0},
		0},
	{"clone3", SYS_clone3, {0, 0, 0}, 0},
	{"unshare(CLONE_NEWUSER)", SYS_unshare, {CLONE_NEWUSER, 0, 0}, 0},
	{"unshare(0)", SYS_unshare, {0, 0, 0}, 0},
	{"setns", SYS_setns, {-1, CLONE_NEWUSER, 0}, 0},
	{"socket(AF_UNIX)", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, 0},
	{"socket(AF_INET)", SYS_socket, {AF_INET, SOCK_STREAM, 0}, 0},
	{"socket(AF_INET6)", SYS_socket, {AF_INET6, SOCK_DGRAM, 0}, 0},
	{"socket(AF_NETLINK)", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}, 0},
	{"socket(AF_PACKET)", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, 0},
	{"socket(AF_ALG)", SYS_socket, {ALG, SOCK_SEQPACKET, 0}, 0},
	{"socket(AF_ALG), bit 32 set", SYS_socket, {ALG | HIGH_BITS, SOCK_SEQPACKET, 0}, 0},
	{"socket(AF_VSOCK)", SYS_socket, {VSOCK, SOCK_STREAM, 0}, 0},
	{"socket(AF_VSOCK), bit 32 set", SYS_socket, {VSOCK | HIGH_BITS, SOCK_STREAM, 0}, 0},
	{"socket(AF_BLUETOOTH)", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 1}, 0},
	{"socket(AF_KEY)", SYS_socket, {AF_KEY, SOCK_RAW, 2}, 0},
	{"personality(0xffffffff)", SYS_personality, {0xffffffffL, 0, 0}, 0},
	{"personality(0)", SYS_personality, {0, 0, 0}, 0},
	{"personality(ADDR_NO_RANDOMIZE)", SYS_personality, {0x40000, 0, 0}, 0},
	{"personality(READ_IMPLIES_EXEC)", SYS_personality, {0x400000, 0, 0}, 0},
	{"ioctl(TIOCGWINSZ)", SYS_ioctl, {-1, TIOCGWINSZ, 0}, 0},
	{"ioctl(TIOCSTI)", SYS_ioctl, {-1, TIOCSTI, 0}, 0},
	{"ioctl(TIOCSTI), bit 32 set", SYS_ioctl, {-1, TIOCSTI | HIGH_BITS, 0}, 0},
	{"ioctl(TIOCLINUX)", SYS_ioctl, {-1, TIOCLINUX_, 0}, 0},
	{"ptrace(PTRACE_TRACEME)", SYS_ptrace, {PTRACE_TRACEME, 0, 0}, 0},
	{"i386 getpid", 20, {0, 0, 0}, 1},
	{"i386 mount", 21, {0, 0, 0}, 1},
	{"i386 add_key", 286, {-1, 0, 0}, 1},
	{"x32 getpid", X32_BIT | SYS_getpid, {0, 0, 0}, 0},
	{"x32 mount", X32_BIT | SYS_mount, {0, 0, 0}, 0},
	{"number 1000000", 1000000, {0, 0, 0}, 0},
};

static void arguments(void)
{
	char text[64];

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		run(&calls[i], text, sizeof(text));
		printf("%s: %s\n", calls[i].what, text);
	}
}

static double measure(long nr, long a, long b)
{
	struct timespec from, to;
	const int n = 200000;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < n; i++)
		syscall(nr, a, b, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / n;
}

/* The least of several turns: what others do on the machine is not ours. */
static void cost(void)
{
	double plain = 1e9, judged = 1e9;

	for (int i = 0; i < 10; i++) {
		double a = measure(SYS_getppid, 0, 0), b = measure(SYS_ioctl, -1, TIOCGWINSZ);

		plain = a < plain ? a : plain;
		judged = b < judged ? b : judged;
	}
	printf("getppid %.1f ns, ioctl %.1f ns\n", plain, judged);
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	if (argc > 1 && strcmp(argv[1], "arguments") == 0)
		arguments();
	else if (argc > 1 && strcmp(argv[1], "cost") == 0)
		cost();
	else if (argc > 1 && strcmp(argv[1], "numbers") == 0)
		numbers(argc > 2 ? atol(argv[2]) : 0, argc > 3 ? atol(argv[3]) : 511);
	else
		return 2;
	return 0;
}
