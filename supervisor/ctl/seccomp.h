/* SPDX-License-Identifier: MIT */
/*
 * --security-opt seccomp=FILE: docker's JSON to a filter.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

#define SECCOMP_OPTION "seccomp" /* and = or : */

/* A sealed memfd of BPF instructions, for a container with these capabilities. The file is opened
 * with the caller's rights. The sentence names the file and the place in it. */
int seccomp_file(const char *path, uint64_t caps, struct err *e);
