/* SPDX-License-Identifier: MIT */
/*
 * A terminal in a container's own devpts.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pty {
	int master, slave;
	unsigned int number; /* pts/NUMBER */
};

/* pts is the root of the devpts. Both ends are close-on-exec, and nobody's controlling terminal
 * yet. */
int pty_open(int pts, struct pty *ret, struct err *e);

/* 0 rows or columns: left alone. 0 or -errno. */
int pty_resize(int master, uint32_t rows, uint32_t cols);
