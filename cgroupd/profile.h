/* SPDX-License-Identifier: MIT */
/*
 * The privilege of cgroupd.
 */
#pragma once

#include "base/priv.h"

extern const struct priv_profile cgroupd_profile;
