/* SPDX-License-Identifier: MIT */
/*
 * System calls that every daemon makes, for its C library, log, loop and channels. Data only. None
 * of them opens, executes, connects or makes a process. Some are made on other machines than most:
 * a kernel without a vdso clock, a newer C library.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "sandbox.h"

const struct priv_syscall sandbox_common[] = {
	PRIV_SYS(read, "signals of the loop; files and pipes"),
	PRIV_SYS(write, "the log; files and pipes"),
	PRIV_SYS(writev, "the C library's last words: a smashed stack, a damaged heap"),
	PRIV_SYS(recvmsg, "frames of a channel"),
	PRIV_SYS(sendmsg, "likewise"),
	PRIV_SYS(close, "descriptors of requests"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_DUPFD_CLOEXEC, "duplicates of descriptors"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_GETFD, "descriptors that are not for children"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_SETFD, "likewise"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_GETFL, "channels don't block"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_SETFL,
		"likewise; without F_SETOWN no signal comes of it, to nobody's process"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_ADD_SEALS, "memory files"),
	PRIV_SYS_IF(fcntl, 1, PRIV_INT, F_GET_SEALS, "likewise"),
	PRIV_SYS_IF(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH,
		"fstat(3), as the C library makes it: sizes and kinds of descriptors"),
	PRIV_SYS(fstat, "the same in newer C libraries"),
	PRIV_SYS(pread64, "sealed memory files; control files"),
	PRIV_SYS(epoll_ctl, "the loop"),
	PRIV_SYS(epoll_wait, "the loop"),
	PRIV_SYS(epoll_pwait, "the loop of a newer libevent"),
	PRIV_SYS(epoll_pwait2, "the same with finer timers"),
	PRIV_SYS(rt_sigprocmask, "abort(3); the loop while it takes a signal"),
	PRIV_SYS(rt_sigreturn, "the end of a signal handler"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIGABRT, "abort(3) takes its handler away"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIGTERM, "the loop gives up its signals at the end"),
	PRIV_SYS_IF(rt_sigaction, 0, PRIV_INT, SIGINT, "likewise"),
	PRIV_SYS(restart_syscall, "the kernel's own, after SIGSTOP and SIGCONT"),
	PRIV_SYS(brk, "malloc(3)"),
	PRIV_SYS_IF(mmap, 2, PROT_EXEC, 0, "malloc(3), and files that are read; never code"),
	PRIV_SYS_IF(mprotect, 2, PROT_EXEC, 0, "malloc(3), in arenas of threads; never code"),
	PRIV_SYS(mremap, "realloc(3) of large blocks"),
	PRIV_SYS(munmap, "free(3)"),
	PRIV_SYS(madvise, "free(3): memory goes back"),
	PRIV_SYS(futex, "locks of libraries"),
	PRIV_SYS(sched_yield, "the same, contended"),
	PRIV_SYS(getrandom, "seeds of hash tables; malloc(3) of newer C libraries"),
	PRIV_SYS(clock_gettime, "clocks where the vdso has none"),
	PRIV_SYS(gettimeofday, "likewise"),
	PRIV_SYS(time, "likewise"),
	PRIV_SYS(getpid, "abort(3); libraries that look for a fork"),
	PRIV_SYS(gettid, "abort(3)"),
	PRIV_SYS_IF(prctl, 0, PRIV_INT, PR_GET_SECCOMP, "the proof at the end of the start"),
	PRIV_SYS_IF(prctl, 0, PRIV_INT, PR_GET_NO_NEW_PRIVS, "likewise"),
	PRIV_SYS(exit, "the end of a thread"),
	PRIV_SYS(exit_group, "the end"),
	PRIV_SYS_END,
};

const struct priv_syscall sandbox_debug[] = {
	PRIV_SYS(openat, "@PATH on a line of text"),
	PRIV_SYS(newfstatat, "whether that is a FIFO"),
	PRIV_SYS(memfd_create, "@{document} on a line of text"),
	PRIV_SYS(ftruncate, "likewise"),
	PRIV_SYS(wait4, "workers that imaged has started by itself"),
	PRIV_SYS_END,
};
