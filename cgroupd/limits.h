/* SPDX-License-Identifier: MIT */
/*
 * Limits as tables: which field of struct limits is which control file of which cgroup version, and
 * how its value is written and read there. No input or output of its own.
 */
#pragma once

#include <stdbool.h>

#include "discover.h"
#include "messages.h"

#define LIMIT_TEXT_MAX	    2048 /* bytes of one value with its NUL; io.max has a line a device */
#define LIMIT_IO_MAX	    16	 /* devices: the bound of limits.io */
#define LIMIT_HUGEPAGES_MAX 4	 /* sizes: the bound of limits.hugepages */
#define LIMIT_SET_MAX	    257	 /* a cpuset list with its NUL: the bound of limits.cpuset_cpus */

#define LIMIT_PIDS_DEFAULT   2048
#define LIMIT_MEMORY_MIN     (6ULL << 20) /* docker's: with less not even the first execve succeeds */
#define LIMIT_SHARES_DEFAULT 1024
#define LIMIT_PERIOD_DEFAULT 100000 /* the kernel's, us */
/* Of io.weight and BFQ's: BFQ_WEIGHT_LEGACY_DFL, CGROUP_WEIGHT_DFL. No v1 weight converts to it. */
#define LIMIT_IO_WEIGHT_DEFAULT 100

/* Limits that own their strings. The pointers in `limits` lead into it: never copied by value. */
struct limits_owned {
	struct limits limits;
	char cpus[LIMIT_SET_MAX], mems[LIMIT_SET_MAX];
	struct io_rate io[LIMIT_IO_MAX];
	struct hugepage_limit hugepages[LIMIT_HUGEPAGES_MAX];
};

/* One control file. */
struct limit_row {
	enum controller controller;
	const char *file;
	const char *what;  /* for people: docker's name of the limit */
	const char *offer; /* file of the parent that lists what can be had (cpusets), or NULL */
	/* The text to write, a line a write; false when the field is absent. */
	bool (*format)(const struct limits *l, char text[LIMIT_TEXT_MAX]);
	/* Takes in what the kernel shows (without newline); -EBADMSG when it isn't that. Unlimited
	 * is absent; rows are read in their order. */
	int (*parse)(const char *text, struct limits_owned *r);
	enum {
		ROW_NEXT_FIRST = 1, /* after EINVAL: the next row first, then this one again */
		ROW_OR_NEXT = 2,    /* where this file is, the next row's is not used; else it is */
		ROW_AND_NEXT = 4, /* both this file and the next row's, or the one that is there */
		ROW_DISKS = 8,	  /* a line a device; devices that are absent stay as they are */
		ROW_INHERITED = 16, /* what nobody asked for is what the parent has: in the file
				       `offer`, or else in this one */
		ROW_KILLS = 32,	    /* the kernel makes it hold at once, by killing */
	} how;
	const char *lacking; /* what to say where the kernel has no such file, or NULL */
	const char *none; /* the text that takes the limit away, or NULL: none, or the parent's */
};

/* The rows of version 1 or 2, in the order to write and to read; ends with a row whose file is
 * NULL. */
const struct limit_row *limit_rows(int version);
/* That of the memory limit itself. */
const struct limit_row *limit_row_memory(int version);

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
