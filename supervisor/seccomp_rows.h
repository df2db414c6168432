/* SPDX-License-Identifier: MIT */
/*
 * What a workload may ask of the kernel by default, as rows; seccomp_rows.c holds them, seccomp.c
 * makes the filter of them. The first row that speaks of a call decides: those with an argument
 * come before those without. What no row names does not exist: ENOSYS.
 */
#pragma once

#include <stdint.h>

/* A capability of the container as a bit, 0 for none. */
#define HAS(cap) (1ULL << (cap))

/* Calls by name. */
struct seccomp_row {
	int error;	    /* what they return; 0: they pass */
	uint64_t opened_by; /* but they pass when the container has one of these */
	const char *reason;
	const char *names; /* between spaces */
};

/* One value of one argument; only the low 32 bits are looked at, as the kernel does for these. */
struct seccomp_arg_row {
	const char *name;
	int error;
	uint64_t with, without; /* the row is there with one of these capabilities (0: always), and
				   only when there is none of those */
	unsigned int arg;
	uint32_t mask, value;
	const char *reason;
};

/* Both end with an empty row. */
extern const struct seccomp_row seccomp_rows[];
extern const struct seccomp_arg_row seccomp_arg_rows[];
