/* SPDX-License-Identifier: MIT */
/*
 * The directories that a stack of layers forgot. A layer may hold a/b without an entry for a; then
 * a is as the layers below have it. Overlayfs takes a merged directory's mode, owner and times from
 * the topmost layer that has it, so a layer by itself can't be right. This makes one more image, of
 * directories only, to be mounted above all layers: it says again what the layers below said.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LAYER_STACK_MAX 128u

/* `images` are layer images, bottom first, without those that a root_opaque layer hides. Needed
 * only if a layer other than the lowest has layer_result.implied > 0. Writes an image to out_fd (a
 * regular file, truncated first); *ret_dirs is how many directories it had to repeat, and if that
 * is 0 the image is of no use. Blocks. */
int layer_dirs(const int *images, size_t n, int out_fd, uint32_t *ret_dirs, struct err *e);
