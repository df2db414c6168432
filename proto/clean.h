/* SPDX-License-Identifier: MIT */
/*
 * Removing everything in a directory that a container has filled.
 */
#pragma once

#include "base/err.h"

/* Empties the directory. Depth, number and names don't matter; no link is followed, no mount
 * entered. */
int clean_directory(int dir, struct err *e);
