/* SPDX-License-Identifier: MIT */
/*
 * The caller's terminal: raw mode that is undone on every way out, its size, and the keys that
 * detach.
 */
#pragma once

#include <termios.h>

#include "parse.h"

struct tty {
	int fd; /* -1: untouched */
	struct termios before;
};

/* Raw mode, undone by tty_restore, which may be called again and from anywhere. */
int tty_raw(struct tty *t, int fd, struct err *e);
void tty_restore(struct tty *t);
#define _cleanup_tty_ _cleanup_(tty_restore)

/* 0 x 0 when fd is no terminal. */
void tty_size(int fd, uint32_t *ret_rows, uint32_t *ret_cols);

/* Finds the detach keys in what was typed. Bytes that may begin them are held back until it is
 * clear. */
struct detach {
	struct detach_keys keys;
	uint32_t matched; /* keys of the sequence typed so far */
};
/* Copies in[0..n) to out (room for n + 16), without held-back bytes. Returns the bytes copied;
 * *ret_detached when the sequence is complete: what was typed behind it is dropped. */
size_t detach_filter(
	struct detach *d, const uint8_t *in, size_t n, uint8_t *out, bool *ret_detached);
