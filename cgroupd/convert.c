/* SPDX-License-Identifier: MIT */
/*
 * Conversions; see convert.h. Owns nothing, trusts no number: whatever comes in, what goes out is
 * within the range of its scale. Runs in cgroupd.
 */
#include "convert.h"

#include <math.h>

#include "base/util.h"

#define SHARES_MIN 2 /* v1 bends what lies outside silently: MIN_SHARES, MAX_SHARES */
#define SHARES_MAX 262144
#define BLKIO_MIN  10
#define BLKIO_MAX  1000
#define WEIGHT_MIN 1 /* of cpu.weight and of io.weight: CGROUP_WEIGHT_MIN and _MAX */
#define WEIGHT_MAX 10000

/* runc's and crun's conversion since 2025: it maps 2, 1024 and 262144 to 1, 100 and 10000, so that
 * the two defaults meet. The older linear one gave 1024 shares less than half of the default
 * weight. */
uint64_t convert_shares_to_weight(uint64_t shares)
{
	double l = log2((double)shares), w;

	if (shares <= SHARES_MIN)
		return WEIGHT_MIN;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	w = ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
	return w < WEIGHT_MAX ? (uint64_t)w : WEIGHT_MAX;
}

/* The least shares whose weight is at least this. */
static uint64_t least_shares(uint64_t weight)
{
	uint64_t low = SHARES_MIN, high = SHARES_MAX;

	while (low < high) {
		uint64_t mid = (low + high) / 2;

		if (convert_shares_to_weight(mid) < weight)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint64_t convert_weight_to_shares(uint64_t weight)
{
	uint64_t low = least_shares(weight);
	uint64_t v = weight < WEIGHT_MAX ? least_shares(weight + 1) - 1 : SHARES_MAX;

	if (v <= low)
		return low;
	while ((v & (v - 1)) >= low)
		v &= v - 1;
	return v;
}

/* runc's and crun's, along a line through both ends. */
uint64_t convert_blkio_to_io(uint64_t weight)
{
	weight = MIN(MAX(weight, (uint64_t)BLKIO_MIN), (uint64_t)BLKIO_MAX);
	return WEIGHT_MIN +
	       (weight - BLKIO_MIN) * (WEIGHT_MAX - WEIGHT_MIN) / (BLKIO_MAX - BLKIO_MIN);
}

/* A step of v1 is ten of v2 wide: to the nearest, so that what was converted comes back. */
uint64_t convert_io_to_blkio(uint64_t weight)
{
	const uint64_t wide = WEIGHT_MAX - WEIGHT_MIN;

	weight = MIN(MAX(weight, (uint64_t)WEIGHT_MIN), (uint64_t)WEIGHT_MAX);
	return BLKIO_MIN + ((weight - WEIGHT_MIN) * (BLKIO_MAX - BLKIO_MIN) + wide / 2) / wide;
}

int64_t convert_total_to_swap(int64_t total, uint64_t memory)
{
	if (total < 0)
		return -1;
	return (uint64_t)total > memory ? (int64_t)((uint64_t)total - memory) : 0;
}

int64_t convert_swap_to_total(int64_t swap, uint64_t memory)
{
	if (swap < 0 || memory > INT64_MAX || swap > INT64_MAX - (int64_t)memory)
		return -1;
	return swap + (int64_t)memory;
}

static const struct convert_row rows[CONVERT_COUNT] = {
	[CONVERT_SHARES] = {"cpu shares", "cpu.shares", "cpu.weight", SHARES_MIN, SHARES_MAX,
		WEIGHT_MIN, WEIGHT_MAX, convert_shares_to_weight, convert_weight_to_shares},
	[CONVERT_BLKIO] = {"blkio weight", "blkio.bfq.weight", "io.weight", BLKIO_MIN, BLKIO_MAX,
		WEIGHT_MIN, WEIGHT_MAX, convert_blkio_to_io, convert_io_to_blkio},
};

const struct convert_row *convert_row(enum convert_scale s)
{
	return &rows[s];
}
