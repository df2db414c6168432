/* SPDX-License-Identifier: MIT */
/*
 * The three programs in one binary: the mounter (no option), --fetch and --unpack. They share code,
 * never a process: each has its own privilege profile.
 */
#pragma once

#include "../proto/base/priv.h"

/* Run until the channel closes; return the exit status. */
int mounter_main(int argc, char **argv);
int fetch_main(int argc, char **argv);
int unpack_main(int argc, char **argv);

extern const struct priv_profile profile_mounter;
extern const struct priv_profile profile_fetch;
extern const struct priv_profile profile_unpack;
