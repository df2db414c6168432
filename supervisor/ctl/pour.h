/* SPDX-License-Identifier: MIT */
/*
 * An archive as it is, between a pipe and the caller's own file or stream.
 */
#pragma once

#include "base/err.h"

struct pour {
	int from;
	const char *path; /* a file that appears when it is whole; NULL: stdout */
};

/* For side.h: arg is a struct pour. */
int pour_out(void *arg, int verdict, struct err *e);
