/* SPDX-License-Identifier: MIT */
/*
 * The flags of limits, which run, create and update have in common: rows for a table of flags whose
 * structure has a `struct limit_words limits`.
 */
#pragma once

#include "flags.h"
#include "parse.h"

#define LIMIT_AT(type, field) offsetof(struct type, limits.field)
#define LIMIT(type, name, letter, field, check, word, help)                                        \
	{                                                                                          \
		name, letter, FLAG_STRING, LIMIT_AT(type, field), check, word, help                \
	}
#define LIMIT_MANY(type, name, field, check, word, help)                                           \
	{                                                                                          \
		name, 0, FLAG_LIST, LIMIT_AT(type, field), check, word, help                       \
	}
/* clang-format off */
#define LIMIT_FLAGS(type)                                                                          \
	LIMIT(type, "memory", 'm', memory, check_memory, "BYTES", "memory limit, such as 512m"),   \
	LIMIT(type, "memory-swap", 0, memory_swap, check_memory_swap, "BYTES",                     \
		"memory and swap; -1: no limit"),                                                  \
	LIMIT(type, "memory-reservation", 0, memory_reservation, check_memory, "BYTES",            \
		"soft limit"),                                                                     \
	LIMIT(type, "memory-swappiness", 0, swappiness, check_swappiness, "N",                     \
		"0 to 100; cgroup v1 alone has it"),                                               \
	LIMIT(type, "cpus", 0, cpus, check_cpus, "N", "CPU time, in steps of 0.01"),               \
	LIMIT(type, "cpu-shares", 'c', cpu_shares, check_cpu_shares, "N",                          \
		"weight, 2 to 262144 (1024)"),                                                     \
	LIMIT(type, "cpu-period", 0, cpu_period, check_cpu_period, "US",                           \
		"period of the quota (100000)"),                                                   \
	LIMIT(type, "cpu-quota", 0, cpu_quota, check_cpu_quota, "US", "CPU time a period"),        \
	LIMIT(type, "cpuset-cpus", 0, cpuset_cpus, check_cpuset, "LIST",                           \
		"CPUs to run on: 0-2,5"),                                                          \
	LIMIT(type, "cpuset-mems", 0, cpuset_mems, check_cpuset, "LIST", "memory nodes"),          \
	LIMIT(type, "pids-limit", 0, pids, check_pids, "N", "processes (2048); -1: no limit"),     \
	LIMIT(type, "blkio-weight", 0, blkio_weight, check_blkio_weight, "N",                      \
		"weight of its I/O, 10 to 1000"),                                                  \
	LIMIT_MANY(type, "blkio-weight-device", weights, check_device_weight, "DISK:N",            \
		"weight of its I/O of one disk: /dev/sda:300"),                                    \
	LIMIT_MANY(type, "device-read-bps", read_bps, check_device_bps, "DISK:RATE",               \
		"bytes a second from a disk: /dev/sda:1m"),                                        \
	LIMIT_MANY(type, "device-write-bps", write_bps, check_device_bps, "DISK:RATE",             \
		"bytes a second to a disk"),                                                       \
	LIMIT_MANY(type, "device-read-iops", read_iops, check_device_iops, "DISK:RATE",            \
		"reads a second"),                                                                 \
	LIMIT_MANY(type, "device-write-iops", write_iops, check_device_iops, "DISK:RATE",          \
		"writes a second"),                                                                \
	LIMIT_MANY(type, "hugepage-limit", hugepages, check_hugepage, "SIZE=BYTES",                \
		"huge pages: 2MB=64m, 1GB=0")
/* clang-format on */
