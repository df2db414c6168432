/* SPDX-License-Identifier: MIT */
/*
 * The shim's two privilege profiles; profile.c has the reasons.
 */
#pragma once

#include <fcntl.h>

#include "base/priv.h"

/* How the log is opened, and all that the filter lets open. */
#define LOG_OPEN_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC)

extern const struct priv_profile profile_starting;
extern const struct priv_profile profile_running;
