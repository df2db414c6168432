/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/priv.h"

/* The supervisor process: state and policy, no privilege at all. */
extern const struct priv_profile profile_supervisor;
