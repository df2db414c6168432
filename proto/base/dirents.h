/* SPDX-License-Identifier: MIT */
/*
 * Names in a directory, one after the other, by getdents64(2): opendir(3) would make a second
 * descriptor and calls that a strict filter has no row for.
 */
#pragma once

#include <stdint.h>

#define DIRENTS_BUFFER 32768

struct dirents {
	int dir; /* borrowed, open for reading, at its beginning */
	long got, at;
	_Alignas(8) char buf[DIRENTS_BUFFER];
};

/* The struct is large: keep it on the heap. NULL when there is no memory. */
struct dirents *dirents_open(int dir);
void dirents_free(struct dirents **d);
#define _cleanup_dirents_ _cleanup_(dirents_free)

/* From the beginning again. 0 or -errno. */
int dirents_rewind(struct dirents *d);

/* 1 with a name (valid until the next call; never "." or ".."), 0 at the end, or -errno. */
int dirents_next(struct dirents *d, const char **ret_name);
