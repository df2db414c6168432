/* SPDX-License-Identifier: MIT */
/*
 * Privileges of the processes of ctl that read what a stranger wrote.
 */
#pragma once

#include "base/sandbox.h"

/* ":dest" is the directory that is filled. */
extern const struct priv_profile profile_unpack, profile_give, profile_feed;
