/* SPDX-License-Identifier: MIT */
/*
 * Limits of huge pages: two files for each size that an architecture has, as the rows of
 * limit_rows.c have them. Both are set: beyond hugetlb.SIZE.rsvd.max an mmap fails, beyond
 * hugetlb.SIZE.max, which counts pages that were not reserved, a touch ends in SIGBUS
 * (admin-guide/cgroup-v1/hugetlb.rst).
 */
#pragma once

#include "limits.h"

/* Refuses a size that no architecture has, and what is no whole number of pages. */
int hugepages_check(const struct limits *l, struct err *e);

/* HUGEPAGE_SIZES(SIZE) is SIZE(the kernel's name, bytes) for each. */
#define HUGEPAGE_SIZES(SIZE)                                                                       \
	SIZE(64KB, 64ULL << 10)                                                                    \
	SIZE(2MB, 2ULL << 20)                                                                      \
	SIZE(32MB, 32ULL << 20)                                                                    \
	SIZE(1GB, 1ULL << 30)

#define HUGEPAGE_DECLARE(name, bytes)                                                              \
	bool format_v1_##name(const struct limits *l, char *text);                                 \
	bool format_v2_##name(const struct limits *l, char *text);                                 \
	int parse_##name(const char *text, struct limits_owned *r);

HUGEPAGE_SIZES(HUGEPAGE_DECLARE)

/* The second file of a size tells nothing new. */
int parse_rsvd(const char *text, struct limits_owned *r);
