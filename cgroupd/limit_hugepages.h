/* SPDX-License-Identifier: MIT */
/*
 * Limits of huge pages: two files for each size that an architecture has, as the rows of
 * limit_rows.c have them. Both are set: beyond hugetlb.SIZE.rsvd.max an mmap fails, beyond
 * hugetlb.SIZE.max, which counts pages that were not reserved, a touch ends in SIGBUS
 * (admin-guide/cgroup-v1/hugetlb.rst).
 */
#pragma once

#include "base/hugepages.h"
#include "limits.h"

/* Refuses a size that no architecture has, and what is no whole number of pages. */
int hugepages_check(const struct limits *l, struct err *e);

#define HUGEPAGE_DECLARE(name, bytes)                                                              \
	bool format_v1_##name(const struct limits *l, char *text);                                 \
	bool format_v2_##name(const struct limits *l, char *text);                                 \
	int parse_##name(const char *text, struct limits_owned *r);

HUGEPAGE_SIZES(HUGEPAGE_DECLARE)

/* The second file of a size tells nothing new. */
int parse_rsvd(const char *text, struct limits_owned *r);
