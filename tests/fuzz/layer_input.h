/* SPDX-License-Identifier: MIT */
/*
 * An input of the layer fuzzer: a byte of choices, then the layer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "imaged/layer.h"

/* Writes the image to out, a memory file or a regular one. As layer_unpack(). */
int layer_input_unpack(
	const uint8_t *data, size_t size, int out, struct layer_result *ret, struct err *e);
/* Whether the layer lies there as tar and is compressed only when it is read. */
bool layer_input_is_plain(const uint8_t *data, size_t size);
