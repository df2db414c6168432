/* SPDX-License-Identifier: MIT */
/*
 * Limits as tables: which field of struct limits is which control file of which cgroup version, and
 * how its value is written and read there. No input or output of its own.
 */
#pragma once

#include <stdbool.h>

#include "discover.h"
#include "messages.h"

#define LIMIT_TEXT_MAX 320 /* bytes of one written value with its NUL; a cpuset is the longest */
#define LIMIT_SET_MAX  257 /* a cpuset list with its NUL: the bound of limits.cpuset_cpus */

#define LIMIT_PIDS_DEFAULT   2048
#define LIMIT_MEMORY_MIN     (6ULL << 20) /* docker's: with less not even the first execve succeeds */
#define LIMIT_SHARES_DEFAULT 1024
#define LIMIT_PERIOD_DEFAULT 100000 /* the kernel's, us */

/* Limits that own their strings. The pointers in `limits` lead into it: never copied by value. */
struct limits_owned {
	struct limits limits;
	char cpus[LIMIT_SET_MAX], mems[LIMIT_SET_MAX];
};

/* One control file. */
struct limit_row {
	enum controller controller;
	const char *file;
	const char *what;  /* for people: docker's name of the limit */
	const char *offer; /* file of the parent that lists what can be had (cpusets), or NULL */
	/* The text to write; false when the field is absent. */
	bool (*format)(const struct limits *l, char text[LIMIT_TEXT_MAX]);
	/* Takes in what the kernel shows (without newline); -EBADMSG when it isn't that. Unlimited
	 * is absent; rows are read in their order. */
	int (*parse)(const char *text, struct limits_owned *r);
	bool next_first; /* after EINVAL: the next row first, then this one again */
};

/* The rows of version 1 or 2, in the order to write and to read; ends with a row whose file is
 * NULL. */
const struct limit_row *limit_rows(int version);

struct limit_host {
	uint32_t controllers; /* that this host has, in any version */
	bool swap_accounting;
	bool swaps;
};

/* Fills in defaults and refuses what contradicts itself or can't be had on this host, with one
 * sentence. *ret borrows the strings of *asked. */
int limits_complete(
	const struct limits *asked, const struct limit_host *h, struct limits *ret, struct err *e);

/* After all rows were read: drops what is the kernel's default and nobody asked for. `asked` may be
 * NULL. */
void limits_tidy(struct limits_owned *r, const struct limits *asked, const struct limit_host *h);

/* Lists like "0-2,5". -EINVAL when one isn't such a list; 1 when every member of `list` is in `of`,
 * else 0. */
int limits_list_within(const char *list, const char *of);
