/* SPDX-License-Identifier: MIT */
/*
 * Removing everything in a directory that a container has filled.
 */
#pragma once

#include "base/err.h"

/* Empties the directory. Depth, number and names don't matter; no link is followed, no mount
 * entered. */
int clean_directory(int dir, struct err *e);

#define CLEAN_SLICE_MS 500

/* The same; but -EINPROGRESS after so many ms, when something is gone and there is more. Whoever
 * waits asks again, and so knows a large directory from one that is stuck. */
int clean_slice(int dir, unsigned int ms, struct err *e);
