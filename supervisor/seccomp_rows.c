/* SPDX-License-Identifier: MIT */
/*
 * The default rows; see seccomp_rows.h. Data only. Calls that docker's table refuses are refused
 * here too; those that only the host's root can use at all, and those behind which the kernel's
 * holes of late were, are refused beyond that. Nothing here replaces a check of the kernel's: the
 * workload is in a user namespace and its capabilities end there.
 */
#include "seccomp_rows.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ALL_BITS      0xffffffffU
#define TIOCLINUX_CMD 0x541cU
#define NEW_NS(flag)                                                                               \
	{                                                                                          \
		"clone", EPERM, 0, HAS(CAP_SYS_ADMIN), 0, flag, flag, "a namespace of one's own"   \
	}
#define FAMILY(f, with, reason)                                                                    \
	{                                                                                          \
		"socket", 0, with, 0, 0, ALL_BITS, f, reason                                       \
	}
#define PERSONA(p, reason)                                                                         \
	{                                                                                          \
		"personality", 0, 0, 0, 0, ALL_BITS, p, reason                                     \
	}

const struct seccomp_arg_row seccomp_arg_rows[] = {
	/* A new user namespace makes an attacker root of everything that can be reached from one;
	 * CVE-2022-0185 and many since. */
	NEW_NS(CLONE_NEWUSER),
	NEW_NS(CLONE_NEWNS),
	NEW_NS(CLONE_NEWPID),
	NEW_NS(CLONE_NEWNET),
	NEW_NS(CLONE_NEWIPC),
	NEW_NS(CLONE_NEWUTS),
	NEW_NS(CLONE_NEWCGROUP),
	{"ioctl", EPERM, 0, 0, 1, ALL_BITS, TIOCSTI, "types into somebody else's terminal"},
	{"ioctl", EPERM, 0, 0, 1, ALL_BITS, TIOCLINUX_CMD, "pastes into somebody else's console"},
	FAMILY(AF_UNIX, 0, "local"),
	FAMILY(AF_INET, 0, "the network"),
	FAMILY(AF_INET6, 0, "the network"),
	FAMILY(AF_NETLINK, 0, "getifaddrs, ip, ss"),
	FAMILY(AF_PACKET, HAS(CAP_NET_RAW), "tcpdump, arping, DHCP; the capability is not default"),
	{"socketpair", 0, 0, 0, 0, ALL_BITS, AF_UNIX, "the only family that has pairs, but TIPC"},
	PERSONA(0x0, "Linux"),
	PERSONA(0x8, "setarch i686"),
	PERSONA(0x20000, "UNAME26"),
	PERSONA(0x20008, "both"),
	PERSONA(ALL_BITS, "asks only"),
	{0},
};

const struct seccomp_row seccomp_rows[] = {
	{0, 0, "descriptors",
		"close close_range copy_file_range dup dup2 dup3 fallocate fadvise64 fcntl "
		"fdatasync flock fsync ftruncate ioctl lseek pread64 preadv preadv2 pwrite64 "
		"pwritev pwritev2 read readahead readv sendfile splice sync_file_range syncfs tee "
		"write writev"},
	{0, 0, "files by path; the container sees its own alone",
		"access cachestat chdir chmod chown creat faccessat faccessat2 fchdir fchmod "
		"fchmodat fchmodat2 fchown fchownat fstat fstatfs futimesat getcwd getdents "
		"getdents64 lchown link linkat lstat mkdir mkdirat mknod mknodat "
		"newfstatat open openat openat2 readlink readlinkat rename "
		"renameat renameat2 rmdir stat statfs statx symlink symlinkat sync truncate "
		"umask unlink unlinkat utime utimensat utimes"},
	{0, 0, "attributes of files",
		"fgetxattr file_getattr file_setattr flistxattr fremovexattr fsetxattr getxattr "
		"getxattrat lgetxattr listxattr listxattrat llistxattr lremovexattr lsetxattr "
		"removexattr removexattrat setxattr setxattrat"},
	{0, 0, "waiting for many things at once",
		"epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd "
		"eventfd2 inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
		"fanotify_mark pipe pipe2 poll ppoll pselect6 select signalfd signalfd4"},
	{0, 0, "the old asynchronous input and output: databases",
		"io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit"},
	{0, 0, "memory",
		"brk madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 "
		"mlockall mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
		"pkey_free pkey_mprotect remap_file_pages"},
	{0, 0, "processes and threads; clone's flags have rows of their own",
		"arch_prctl clone execve execveat exit exit_group fork get_robust_list "
		"get_thread_area getcpu getpgid getpgrp getpid getppid getsid gettid "
		"membarrier pidfd_open pidfd_send_signal prctl process_mrelease restart_syscall "
		"rseq set_robust_list set_thread_area set_tid_address setpgid setsid vfork wait4 "
		"waitid"},
	{0, 0, "locks between threads", "futex futex_requeue futex_wait futex_waitv futex_wake"},
	{0, 0, "signals",
		"kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
		"rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack tgkill tkill"},
	{0, 0, "time and timers; to set the clock is another row's",
		"adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer "
		"gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun "
		"timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times"},
	{0, 0, "scheduling and limits, within what the cgroup leaves",
		"getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 "
		"sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr "
		"sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity "
		"sched_setattr sched_setparam sched_setscheduler sched_yield setpriority "
		"setrlimit sysinfo uname getrandom"},
	{0, 0, "users, groups and capabilities of the user namespace",
		"capget capset getegid geteuid getgid getgroups getresgid getresuid getuid "
		"setfsgid setfsuid setgid setgroups setregid setresgid setresuid setreuid setuid"},
	{0, 0, "sockets, once they are there",
		"accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom "
		"recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt shutdown"},
	{0, 0, "System V and POSIX queues, of an ipc namespace of its own",
		"mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl "
		"msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget"},
	{0, 0, "giving rights up",
		"landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"},
	{0, 0, "debuggers; processes of the same container and user",
		"process_vm_readv "
		"process_vm_writev ptrace"},

	{EAFNOSUPPORT, 0,
		"families without a row: AF_ALG (CVE-2026-31431), AF_VSOCK, which leads "
		"to the hypervisor, and dozens of modules that nobody has looked at for years",
		"socket socketpair"},
	{EPERM, 0, "flags that weaken: no address randomisation, executable data", "personality"},
	{ENOSYS, HAS(CAP_SYS_ADMIN),
		"its flags lie in memory, where no filter can read; without it "
		"the C library calls clone",
		"clone3"},

	{EPERM, HAS(CAP_SYS_CHROOT), "as docker has it", "chroot"},
	{EPERM, HAS(CAP_SYS_ADMIN), "the mount family and namespaces",
		"fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree "
		"open_tree_attr setns statmount umount2 unshare"},
	{EPERM, HAS(CAP_SYS_ADMIN), "administration",
		"fanotify_init lookup_dcookie quotactl quotactl_fd setdomainname sethostname"},
	{EPERM, HAS(CAP_BPF) | HAS(CAP_SYS_ADMIN), "programs in the kernel", "bpf"},
	{EPERM, HAS(CAP_PERFMON) | HAS(CAP_SYS_ADMIN), "measures others and the kernel",
		"perf_event_open"},
	{EPERM, HAS(CAP_SYSLOG) | HAS(CAP_SYS_ADMIN), "the host's log", "syslog"},
	{EPERM, HAS(CAP_DAC_READ_SEARCH), "opens past mounts: the shocker exploit",
		"name_to_handle_at open_by_handle_at"},
	{EPERM, HAS(CAP_SYS_BOOT), "the host's life", "reboot"},
	{EPERM, HAS(CAP_SYS_MODULE), "kernel modules", "delete_module finit_module init_module"},
	{EPERM, HAS(CAP_SYS_PACCT), "accounting of the host", "acct"},
	{EPERM, HAS(CAP_SYS_PTRACE), "reaches into other processes",
		"kcmp pidfd_getfd process_madvise"},
	{EPERM, HAS(CAP_SYS_RAWIO), "ports of the hardware", "ioperm iopl"},
	{EPERM, HAS(CAP_SYS_TIME), "the host's clock", "clock_settime settimeofday"},
	{EPERM, HAS(CAP_SYS_TTY_CONFIG), "hangs the terminal up", "vhangup"},
	{EPERM, HAS(CAP_SYS_NICE), "where memory lies",
		"get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},

	{EPERM, 0, "the keyrings know no container", "add_key keyctl request_key"},
	{EPERM, 0, "holds the kernel still in the middle of a copy", "userfaultfd"},
	{EPERM, 0, "calls that no filter sees, and holes without end",
		"io_uring_enter io_uring_register io_uring_setup"},
	{EPERM, 0, "another kernel", "kexec_file_load kexec_load"},
	{EPERM, 0, "swap, roots and pages of the host",
		"migrate_pages move_pages pivot_root swapoff swapon"},
	{EPERM, 0, "which security modules the host has",
		"lsm_get_self_attr lsm_list_modules lsm_set_self_attr"},
	{EPERM, 0, "segments that only 16-bit and 32-bit programs know", "modify_ldt"},
	{EPERM, 0, "pages of a process as pages of a pipe: half of Dirty COW's kin", "vmsplice"},
	{EPERM, 0, "obsolete; nobody looks at them any more",
		"_sysctl create_module get_kernel_syms nfsservctl query_module sysfs uselib ustat"},
	{0},
};
