/* SPDX-License-Identifier: MIT */
/*
 * Between the numbers of cgroup v1, which are docker's, and those of v2. Pure.
 */
#pragma once

#include <stdint.h>

/* One scale on both versions. to_v2 maps [v1_min, v1_max] into [v2_min, v2_max], the ends to the
 * ends, and never falls; to_v1 gives, for every number of v2, one of v1 that maps to it if there is
 * any, and to_v1(to_v2(x)) is of the same weight as x. Numbers beyond an end count as the end. */
struct convert_row {
	const char *name, *v1_file, *v2_file;
	uint64_t v1_min, v1_max, v2_min, v2_max;
	uint64_t (*to_v2)(uint64_t v);
	uint64_t (*to_v1)(uint64_t v);
};

enum convert_scale { CONVERT_SHARES, CONVERT_BLKIO, CONVERT_COUNT };
const struct convert_row *convert_row(enum convert_scale s);

/* cpu.shares and cpu.weight; of the shares that give a weight the roundest in binary, for people
 * ask for 512 rather than 511. */
uint64_t convert_shares_to_weight(uint64_t shares);
uint64_t convert_weight_to_shares(uint64_t weight);
/* blkio.weight and io.weight. */
uint64_t convert_blkio_to_io(uint64_t weight);
uint64_t convert_io_to_blkio(uint64_t weight);

/* Of a total of memory and swap, -1: no limit, what is swap alone, and back; a total that is none
 * of an int64_t is no limit. 0 swap stays 0: a limit. */
int64_t convert_total_to_swap(int64_t total, uint64_t memory);
int64_t convert_swap_to_total(int64_t swap, uint64_t memory);
