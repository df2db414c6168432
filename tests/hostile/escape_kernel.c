/* SPDX-License-Identifier: MIT */
/*
 * Attempts by system calls alone: what is the machine's own, and parts of the kernel that no
 * ordinary program needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_alg.h>
#include <linux/io_uring.h>
#include <linux/ioprio.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

/* linux/sched/types.h defines what sched.h does. */
struct deadline_attr {
	unsigned int size, policy;
	unsigned long flags;
	int nice;
	unsigned int priority;
	unsigned long runtime, deadline, period;
};

#define MANY (512UL << 20) /* bytes: more than any limit of locked memory in these tests */

static int result(long r)
{
	return r < 0 ? -errno : 0;
}

/* ---- the machine ---- */

static int load_module(const struct attempt *a)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	long r;

	switch (a->number) {
	case SYS_finit_module:
		r = syscall(SYS_finit_module, fd, "", 0);
		break;
	case SYS_init_module:
		r = syscall(SYS_init_module, "", 0UL, "");
		break;
	default:
		r = syscall(SYS_delete_module, "escape", O_NONBLOCK);
	}
	/* ENOEXEC and ENOENT come after the question of rights. */
	return r < 0 && errno != ENOEXEC && errno != ENOENT ? -errno : 0;
}

static int kexec(const struct attempt *a)
{
	return a->number == SYS_kexec_load
		       ? result(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL))
		       : result(syscall(SYS_kexec_file_load, -1, -1, 1UL, "", 4UL));
}

/* Only tells the kernel what ctrl-alt-del shall do, and that is what it does by default. */
static int reboot_off(const struct attempt *a)
{
	(void)a;
	return result(reboot(RB_DISABLE_CAD));
}

static int swap(const struct attempt *a)
{
	return result(a->number == SYS_swapon ? swapon("/tmp", 0) : swapoff("/tmp"));
}

static int quota(const struct attempt *a)
{
	(void)a;
	return result(quotactl(QCMD(Q_QUOTAON, USRQUOTA), "/dev/vda", 2, (char[]){"/tmp"}));
}

static int account(const struct attempt *a)
{
	(void)a;
	return result(syscall(SYS_acct, "/tmp"));
}

/* The time that it is. */
static int set_time(const struct attempt *a)
{
	struct timex tx = {.modes = ADJ_OFFSET_SINGLESHOT, .offset = 0};
	struct timespec ts;
	struct timeval tv;

	clock_gettime(CLOCK_REALTIME, &ts);
	tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
	if (a->number == SYS_settimeofday)
		return result(settimeofday(&tv, NULL));
	if (a->number == SYS_clock_settime)
		return result(clock_settime(CLOCK_REALTIME, &ts));
	return adjtimex(&tx) < 0 ? -errno : 0;
}

static int ports(const struct attempt *a)
{
	return result(a->number == SYS_iopl ? iopl(3) : ioperm(0x80, 1, 1));
}

static int hang_up(const struct attempt *a)
{
	(void)a;
	return result(vhangup());
}

static int kernel_log(const struct attempt *a)
{
	char buf[256];
	int r = klogctl(3, buf, sizeof(buf));

	(void)a;
	return r < 0 ? -errno : 0;
}

static int host_name(const struct attempt *a)
{
	char name[65] = "";

	gethostname(name, sizeof(name) - 1);
	return result(a->number == SYS_sethostname ? sethostname(name, strlen(name))
						   : setdomainname("", 0));
}

/* ---- the scheduler and limits ---- */

static int be_nice(const struct attempt *a)
{
	(void)a;
	return result(setpriority(PRIO_PROCESS, 0, -5));
}

static int io_realtime(const struct attempt *a)
{
	(void)a;
	return result(syscall(
		SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, 0)));
}

static int realtime(const struct attempt *a)
{
	struct sched_param p = {.sched_priority = 1};
	struct deadline_attr d = {.size = sizeof(d),
		.policy = SCHED_DEADLINE,
		.runtime = 1000000,
		.deadline = 10000000,
		.period = 10000000};

	if (a->number == SCHED_DEADLINE)
		return result(syscall(SYS_sched_setattr, 0, &d, 0));
	return result(sched_setscheduler(0, (int)a->number, &p));
}

static int raise_limit(const struct attempt *a)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)a->number, &l) < 0)
		return -errno;
	if (l.rlim_max == RLIM_INFINITY) {
		say("there is no limit to raise");
		return HARMLESS;
	}
	l.rlim_max++;
	return result(setrlimit((__rlimit_resource_t)a->number, &l));
}

static int lock_memory(const struct attempt *a)
{
	void *p = mmap(NULL, MANY, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)a;
	return p == MAP_FAILED ? -errno : result(mlock(p, MANY));
}

static int lock_segment(const struct attempt *a)
{
	long id = syscall(SYS_shmget, 0, 4096UL, 01600);

	(void)a;
	if (id < 0)
		return -errno;
	id = syscall(SYS_shmctl, id, 11 /* SHM_LOCK */, NULL);
	say("bounded by the limit on locked memory");
	return id < 0 ? -errno : HARMLESS;
}

static int no_random(const struct attempt *a)
{
	(void)a;
	return result(personality(ADDR_NO_RANDOMIZE));
}

/* ---- attack surface ---- */

static int ring(const struct attempt *a)
{
	struct io_uring_params p = {0};

	(void)a;
	return result(syscall(SYS_io_uring_setup, 1, &p));
}

static int bpf_load(const struct attempt *a)
{
	struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insn_cnt = ARRAY_LEN(code),
		.insns = (unsigned long)code,
		.license = (unsigned long)"GPL"};

	if (a->number == BPF_MAP_CREATE) {
		attr = (union bpf_attr){.map_type = BPF_MAP_TYPE_ARRAY,
			.key_size = 4,
			.value_size = 8,
			.max_entries = 1};
	}
	return result(syscall(SYS_bpf, a->number, &attr, sizeof(attr)));
}

static int fault_fd(const struct attempt *a)
{
	return result(syscall(SYS_userfaultfd, O_CLOEXEC | a->number));
}

static int perf(const struct attempt *a)
{
	struct perf_event_attr attr = {.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.exclude_kernel = !a->number,
		.exclude_hv = 1};

	return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int open_socket(const struct attempt *a)
{
	return result(socket((int)a->number, SOCK_SEQPACKET, 0) < 0
			      ? socket((int)a->number, SOCK_DGRAM, 0)
			      : 0);
}

static int watch_files(const struct attempt *a)
{
	int fd = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);

	(void)a;
	return fd < 0 ? -errno
		      : result(fanotify_mark(
				fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD, "/"));
}

/* Shocker: the root directory of an ext4 or xfs is inode 2 or 128 of generation 0. */
static int by_handle(const struct attempt *a)
{
	static const char *const from[] = {"/", "/etc/hosts", "/dev/null", "/tmp", "/proc", "/sys"};
	struct {
		struct file_handle head;
		unsigned int words[2];
	} h = {.head = {.handle_bytes = 8, .handle_type = 1}};
	int r = -EBADF;

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		int mount = open(from[i], O_RDONLY | O_CLOEXEC), fd;

		h.words[0] = (unsigned int)a->number;
		fd = mount < 0 ? -1 : open_by_handle_at(mount, &h.head, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && !is_our_root(fd)) {
			say("opened inode %ld beside %s", a->number, from[i]);
			return 0;
		}
		if (mount >= 0 && fd < 0)
			r = -errno;
	}
	return r;
}

static const struct attempt rows[] = {
	{"init_module", "code in the kernel", load_module, NULL, SYS_init_module, 0},
	{"finit_module", "code in the kernel", load_module, NULL, SYS_finit_module, 0},
	{"delete_module", "the kernel's modules", load_module, NULL, SYS_delete_module, 0},
	{"kexec_load", "another kernel", kexec, NULL, SYS_kexec_load, 0},
	{"kexec_file_load", "another kernel", kexec, NULL, SYS_kexec_file_load, 0},
	{"reboot", "the machine off", reboot_off, NULL, 0, 0},
	{"swapon", "the host's memory", swap, NULL, SYS_swapon, 0},
	{"swapoff", "the host's memory", swap, NULL, SYS_swapoff, 0},
	{"quotactl", "CVE-2014's list of docker: host file systems", quota, NULL, 0, 0},
	{"acct", "a file written by the kernel", account, NULL, 0, 0},
	{"settimeofday", "the host's clock", set_time, NULL, SYS_settimeofday, 0},
	{"clock_settime", "the host's clock", set_time, NULL, SYS_clock_settime, 0},
	{"adjtimex", "the host's clock", set_time, NULL, SYS_adjtimex, 0},
	{"iopl", "I/O ports", ports, NULL, SYS_iopl, 0},
	{"ioperm", "I/O ports", ports, NULL, SYS_ioperm, 0},
	{"vhangup", "the caller's terminal", hang_up, NULL, 0, CAPS},
	{"dmesg", "the kernel's log, where kernel.dmesg_restrict is off", kernel_log, NULL, 0,
		FILTER},
	{"sethostname", "a name of its own", host_name, NULL, SYS_sethostname, CAPS},
	{"setdomainname", "a name of its own", host_name, NULL, SYS_setdomainname, CAPS},
	{"nice", "before everybody else", be_nice, NULL, 0, 0},
	{"ioprio", "before everybody else", io_realtime, NULL, 0, 0},
	{"sched_fifo", "before everybody else", realtime, NULL, SCHED_FIFO, 0},
	{"sched_deadline", "before everybody else", realtime, NULL, SCHED_DEADLINE, 0},
	{"rlimit_nofile", "more than it was given", raise_limit, NULL, RLIMIT_NOFILE, 0},
	{"rlimit_memlock", "more than it was given", raise_limit, NULL, RLIMIT_MEMLOCK, 0},
	{"rlimit_rtprio", "more than it was given", raise_limit, NULL, RLIMIT_RTPRIO, 0},
	{"mlock", "the host's memory, for good", lock_memory, NULL, 0, 0},
	{"shm_lock", "the host's memory, for good", lock_segment, NULL, 0, 0},
	{"personality", "addresses that are known", no_random, NULL, 0, FILTER},
	{"io_uring", "CVE-2022-29582 and many more", ring, NULL, 0, FILTER},
	{"bpf_prog", "CVE-2020-8835", bpf_load, NULL, BPF_PROG_LOAD, FILTER},
	{"bpf_map", "CVE-2020-8835", bpf_load, NULL, BPF_MAP_CREATE, FILTER},
	{"userfaultfd", "the tool of CVE-2021-22555 and others", fault_fd, NULL, 0, 0},
	{"userfaultfd_user", "likewise, for its own faults", fault_fd, NULL, UFFD_USER_MODE_ONLY,
		FILTER},
	{"perf", "CVE-2023-2235", perf, NULL, 0, FILTER},
	{"perf_kernel", "the kernel's addresses", perf, NULL, 1, 0},
	{"AF_ALG", "CVE-2026-31431", open_socket, NULL, AF_ALG, FILTER},
	{"AF_VSOCK", "the hypervisor's side of the host", open_socket, NULL, AF_VSOCK, FILTER},
	{"fanotify", "CVE-2014's list of docker: every open of the host", watch_files, NULL, 0, 0},
	{"shocker", "open_by_handle_at: the host's root by its number", by_handle, NULL, 2, 0},
	{"shocker_xfs", "likewise", by_handle, NULL, 128, 0},
};

const struct attempts kernel_attempts = {rows, ARRAY_LEN(rows)};
