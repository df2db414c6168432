/* SPDX-License-Identifier: MIT */
/*
 * What an unpack worker has made, before the kernel mounts it. The worker's bytes were an image
 * author's, and so may the worker itself be by now. Runs in the mounter.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* `file` is open for reading only, and belongs to this process's user. 0 when it is as long as
 * the worker said, its super block is one that erofs_dir.c writes, and nobody can change it any
 * more: it is open for writing nowhere, and others may not open it. */
int erofs_judge(int file, uint64_t bytes, struct err *e);

/* The same of one that was judged once: whether it is still as long as its super block says. */
int erofs_whole(int file, struct err *e);
