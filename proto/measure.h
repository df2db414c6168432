/* SPDX-License-Identifier: MIT */
/*
 * What a directory that a container has filled takes of the disk.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* In bytes, the directory itself too, a file of several names once; as du(1) has it. No link is
 * followed, no mount entered. What lies more than 200 levels deep isn't counted, and a file of
 * several names is counted with each once there are 100,000 such files. */
int measure_directory(int dir, uint64_t *ret, struct err *e);
