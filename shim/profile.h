/* SPDX-License-Identifier: MIT */
/*
 * The shim's two privilege profiles; profile.c has the reasons.
 */
#pragma once

#include "base/priv.h"

extern const struct priv_profile profile_starting;
extern const struct priv_profile profile_running;
