/* SPDX-License-Identifier: MIT */
/*
 * Records that survive a power cut at any moment, and say so when they are damaged. A record ends
 * in a sum over its bytes. The one that it replaces stays beside it, as NAME.old, until it is known
 * to be on the disk: rename(2) alone promises that on some file systems, and with some mount
 * options.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Puts the record in the place of dir/name at once; the disk is not waited for. ret_file (NULL: not
 * wanted) is for keep_settle. 0 or -errno, and then nothing has changed. */
int keep_write(int dir, const char *name, const void *buf, size_t n, int *ret_file);

/* Waits until the record is on the disk; then the old one goes, unless a newer has come meanwhile.
 * May be called from any thread. 0 or -errno. */
int keep_settle(int dir, const char *name, int file);

/* The newest that is whole; the caller frees it. 1 when that is the older of the two; -ENOENT when
 * there is none and never was; -ENODATA when none has ever been complete; -EBADMSG when they are
 * damaged; -EFBIG; -errno when they can't be read. */
int keep_read(int dir, const char *name, size_t max, uint8_t **ret, size_t *ret_len);

/* Both, and what a write that was cut off has left. 0 or -errno. */
int keep_remove(int dir, const char *name);

/* Waits for a file and its name to be on the disk. */
int keep_sync(int dir, int file);
