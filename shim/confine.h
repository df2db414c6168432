/* SPDX-License-Identifier: MIT */
/*
 * The shim's own bounds: a system call filter from before it reads its first message, and Landlock
 * from when it knows the one directory that it needs.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* For good. The filter was made from profile.c's rows when this program was built: at run time
 * neither libseccomp nor its time is needed. With `debug` what text lines need is allowed too. */
int confine_calls(bool debug, struct err *e);

/* No file but in the log's directory, from now on. */
int confine_files(int log_dir, struct err *e);
