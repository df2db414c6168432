/* SPDX-License-Identifier: MIT */
/*
 * System calls of visits, data only. None executes, makes a process, mounts, connects, signals or
 * looks into another process; files are opened by openat2 alone, which keeps to a root.
 */
#include <linux/fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/priv.h"
#include "visit.h"

static const struct priv_syscall common[] = {
	PRIV_SYS(read, "files, and what comes in on stdin"),
	PRIV_SYS(write, "the answer, and a sentence of failure"),
	PRIV_SYS(close, "files that have been read"),
	PRIV_SYS(openat2, "every file and directory, inside the root"),
	PRIV_SYS(newfstatat, "what an entry of a directory is; fstat(3) of some C libraries"),
	PRIV_SYS(fstat, "fstat(3) of others"),
	PRIV_SYS(fstatfs, "whether /proc is the kernel's; which directories are not files"),
	PRIV_SYS(getdents64, "listing directories"),
	PRIV_SYS(lseek, "likewise from the beginning; holes of sparse files"),
	PRIV_SYS(getpid, "a list of processes leaves out who makes it"),
	PRIV_SYS(clock_gettime, "times, where the vdso has none"),
	PRIV_SYS(brk, "malloc(3)"),
	PRIV_SYS_IF(mmap, 2, PROT_EXEC, 0, "malloc(3); never code"),
	PRIV_SYS(mremap, "realloc(3) of large blocks"),
	PRIV_SYS(munmap, "free(3)"),
	PRIV_SYS(madvise, "free(3): memory goes back"),
	PRIV_SYS(exit_group, "the end"),
	PRIV_SYS_END,
};

static const struct priv_syscall reading[] = {
	PRIV_SYS(pread64, "files piece by piece, without their holes"),
	PRIV_SYS(readlinkat, "where a link leads"),
	PRIV_SYS(flistxattr, "what else a file has"),
	PRIV_SYS(fgetxattr, "likewise"),
	PRIV_SYS_END,
};

static const struct priv_syscall writing[] = {
	PRIV_SYS(readlinkat, "where the target leads, if it is a link"),
	PRIV_SYS(mkdirat, "directories"),
	PRIV_SYS(symlinkat, "links"),
	PRIV_SYS(linkat, "second names of files"),
	PRIV_SYS_IF(mknodat, 2, S_IFMT, S_IFIFO, "FIFOs, and no devices"),
	PRIV_SYS(renameat, "what is whole takes its place"),
	PRIV_SYS(renameat2, "likewise, where nothing may be yet"),
	PRIV_SYS(unlinkat, "what is not whole goes"),
	PRIV_SYS(ftruncate, "holes at the end of sparse files"),
	PRIV_SYS(fsetxattr, "what else a file has"),
	PRIV_SYS(fchown, "whom files and directories belong to"),
	PRIV_SYS(fchownat, "likewise links, which can't be opened"),
	PRIV_SYS(fchmod, "modes"),
	PRIV_SYS(utimensat, "times"),
	PRIV_SYS(getrandom, "names that nobody uses"),
	PRIV_SYS_END,
};

const struct visit_calls_row visit_calls[] = {
	{VISIT_COMMON, common},
	{VISIT_READ, reading},
	{VISIT_WRITE, writing},
	{0},
};
