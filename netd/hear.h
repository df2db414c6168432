/* SPDX-License-Identifier: MIT */
/*
 * Notifications of the kernel: netlink's multicast groups.
 */
#pragma once

#include <netlink/msg.h>
#include <stdint.h>

#include "base/err.h"

/* A socket that is readable when a group of the mask (bit n: group n+1) has been told something. */
int hear_open(int protocol, uint32_t groups, struct err *e);

/* Hands over each message that has come; the sum of what fn returned, or -ENOBUFS when something
 * was lost, by the kernel or here. Doesn't block. */
int hear_read(int fd, int (*fn)(void *arg, struct nlmsghdr *h), void *arg);
