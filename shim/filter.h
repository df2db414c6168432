/* SPDX-License-Identifier: MIT */
/*
 * The workload's seccomp filter: made elsewhere, only carried and installed here.
 */
#pragma once

#include <linux/filter.h>

#include "base/err.h"

/* Reads a sealed memfd of BPF instructions; none when fd is negative. The memory stays. */
int filter_read(int fd, struct sock_fprog *ret, struct err *e);

/* Installs it, if there is one. Needs no_new_privs or SYS_ADMIN in the user namespace. */
int filter_install(const struct sock_fprog *p, struct err *e);
