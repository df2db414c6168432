/* SPDX-License-Identifier: MIT */
/*
 * What a service manager hands in and wants to be told, if there is one: the socket for ctl, and
 * datagrams of state, as sd_listen_fds(3) and sd_notify(3) have them. The launcher's alone: nothing
 * of it reaches its children.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* Takes the socket over, above LAUNCH_FD_LAST. *ret is -1 when none was handed in. Anything but one
 * listening SOCK_SEQPACKET that is bound to `path` is refused. */
int service_socket(const char *path, int *ret, struct err *e);

/* "READY=1" and its kin. Does nothing without a manager, and nothing more when it doesn't listen.
 */
void service_tell(const char *format, ...) _printf_(1, 2);

/* How often it wants to be told WATCHDOG=1, half of the time after which it loses patience; 0: not
 * at all. */
uint64_t service_watchdog_ms(void);
