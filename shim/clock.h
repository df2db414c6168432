/* SPDX-License-Identifier: MIT */
/*
 * Two clocks in nanoseconds.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}
#define clock_now_ns()	clock_ns(CLOCK_REALTIME)
#define clock_mono_ns() clock_ns(CLOCK_MONOTONIC)
