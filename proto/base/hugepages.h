/* SPDX-License-Identifier: MIT */
/*
 * Huge pages by the names that the kernel has for their sizes, of every architecture:
 * HUGEPAGE_SIZES(SIZE) is SIZE(name, bytes) for each. limits.hugepages has room for one of each.
 */
#pragma once

#define HUGEPAGE_SIZES(SIZE)                                                                       \
	SIZE(64KB, 64ULL << 10)                                                                    \
	SIZE(2MB, 2ULL << 20)                                                                      \
	SIZE(32MB, 32ULL << 20)                                                                    \
	SIZE(1GB, 1ULL << 30)
