/* SPDX-License-Identifier: MIT */
/*
 * File descriptors: scoped ownership, whole reads and writes, sealed memory files.
 * Every descriptor made here is close-on-exec.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

/* Closes and sets to -1; a negative descriptor is left alone. Keeps errno. */
void fd_close(int *fd);
#define _cleanup_fd_ _cleanup_(fd_close)

/* Hands the descriptor to its next owner, leaving -1. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* Write all / read exactly n bytes, going on after EINTR and short counts. Return 0 or -errno;
 * fd_read_full gives -ENODATA when the file ends first. They block if the descriptor does. */
int fd_write_all(int fd, const void *buf, size_t n);
int fd_read_full(int fd, void *buf, size_t n);

/* Reads a whole small file, at most max bytes, into a fresh NUL-terminated buffer that the caller
 * frees. -EFBIG if it is larger. *ret_len (may be NULL) excludes the NUL. */
int fd_read_file(int fd, size_t max, char **ret, size_t *ret_len);
int fd_read_file_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len);

/* Writes the text to an existing file (a control file: /proc, /sys, cgroup) in one write(2). */
int fd_write_file_at(int dirfd, const char *name, const char *text);

/* Replaces dirfd/name by renaming a temporary beside it; mode is the file's. No fsync. */
int fd_replace_file_at(int dirfd, const char *name, const void *buf, size_t n, mode_t mode);

/* A memfd that holds buf and can never change again (F_SEAL_WRITE|GROW|SHRINK|SEAL). */
int fd_memfd_sealed(const char *name, const void *buf, size_t n);

/* Maps nothing: checks the seals of a received memfd and its size (<= max), and reads it into a
 * fresh buffer with one spare byte behind, which the caller frees. -EPERM if it is not sealed. */
int fd_memfd_read(int fd, size_t max, uint8_t **ret, size_t *ret_len);

/* Whether it is a pipe that pipe(2) made: one with a name is a file of somebody's. */
bool fd_is_pipe(int fd);

/* openat2(2) with RESOLVE_… flags, close-on-exec. A descriptor or -errno. */
int fd_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve);

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* Ascending, as fd_close_all_but wants them. */
void fd_sort(int *fds, size_t n);

/* Closes every descriptor from `first` up, but the n listed ones (ascending order). */
void fd_close_all_but(int first, const int *keep, size_t n);
