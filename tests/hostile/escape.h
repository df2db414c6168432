/* SPDX-License-Identifier: MIT */
/*
 * A program that tries to leave its container, one function an attempt;
 * tests/integration/65-escape.bats runs it. An attempt is written so that its success changes
 * nothing on the host: what is there is written back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What alone stands in the way of an attempt that harms nobody but the container itself. */
enum only_by {
	NOTHING = 0, /* it must never succeed */
	FILTER = 1,  /* the syscall filter: the kernel lets anybody do it, at the cost of exposing
			code */
	CAPS = 2,    /* a capability inside the user namespace, as --privileged gives */
};

struct attempt {
	const char *name;
	const char *reference; /* a CVE, or where the way out is described */
	int (*fn)(const struct attempt *a);
	const char *path; /* what fn works on, if it is told */
	long number;
	unsigned int only_by;
};

/* fn returns 0 when it got what it wanted, -errno as the kernel refused, or this: the kernel agreed
 * and there is nothing in it of the host's. The reason is what say() was told. */
#define HARMLESS (-4000)

/* One sentence about the attempt under way; the last one counts. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

/* Opens path for writing, and writes what it holds, or "h" when it can't be read. */
int rewrite(const char *path);

/* Runs fn in a child that is root of a user and a mount namespace of its own. */
int in_userns(int (*fn)(void *arg), void *arg);

/* The root directory as it was when the program started: its st_dev and st_ino are path's. */
bool is_our_root(int fd);

/* Calls fn for each number in /proc until it returns 0; -ENOENT when there was none. */
int each_process(int (*fn)(int pid, int proc));

/* As asked on the command line. Capabilities take no value: they are all that there are. */
int set_attribute(const char *name, const char *file, const char *value);

/* false: pid runs a file of this container, so looking into it is no way out. */
bool is_foreign(int pid);

struct attempts {
	const struct attempt *rows;
	size_t n;
};
extern const struct attempts write_attempts, ns_attempts, process_attempts, kernel_attempts,
	device_attempts, net_attempts;
