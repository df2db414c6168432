/* SPDX-License-Identifier: MIT */
/*
 * What the engine's protections need of a host: a table of rows, each with a check that any user
 * may make, what the engine does where it fails, and how to mend it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WEAKER,	/* the engine runs, and protects less */
	DOCTOR_MISSING, /* the engine or its containers don't run */
	DOCTOR_UNKNOWN, /* not to be seen from here; the row is left out */
};

#define DOCTOR_FOUND_MAX 256

/* What is known of the engine before the rows are gone through. */
struct doctor_engine {
	const char *socket;
	char complaint[DOCTOR_FOUND_MAX]; /* why it can't be reached; empty: it answers */
	char version[64];
	uint32_t launcher; /* its process, 0: unknown */
	uint32_t uids[2];  /* of its containers, first and last; 0: unknown */
};

struct doctor_row {
	const char *name;
	/* Writes what there is to see, a few words. */
	enum doctor_level (*check)(const struct doctor_engine *g, const struct doctor_row *row,
		char found[DOCTOR_FOUND_MAX]);
	const char *arg;     /* the check's */
	const char *instead; /* what the engine does without it */
	const char *mend;
};
extern const struct doctor_row doctor_rows[]; /* ends with a name of NULL */

#define DOCTOR_CHECK(name)                                                                         \
	enum doctor_level name(_unused_ const struct doctor_engine *g,                             \
		_unused_ const struct doctor_row *row, char found[DOCTOR_FOUND_MAX])
/* doctor_kernel.c */
DOCTOR_CHECK(doctor_kernel);
DOCTOR_CHECK(doctor_above_zero);   /* arg: a file with a number, that must be there */
DOCTOR_CHECK(doctor_zero_or_none); /* arg: a file with a number; missing when above 0 */
DOCTOR_CHECK(doctor_not_zero);	   /* arg: a file with a number; missing when it is 0 */
DOCTOR_CHECK(doctor_namespaces);
DOCTOR_CHECK(doctor_landlock);
DOCTOR_CHECK(doctor_seccomp);
DOCTOR_CHECK(doctor_filesystem); /* arg: its name */
DOCTOR_CHECK(doctor_file_mounts);
DOCTOR_CHECK(doctor_cgroups);
DOCTOR_CHECK(doctor_controller); /* arg: its name */
DOCTOR_CHECK(doctor_ipv6);
DOCTOR_CHECK(doctor_bridge_frames);
DOCTOR_CHECK(doctor_ptrace);
DOCTOR_CHECK(doctor_core_pattern);
/* doctor_engine.c */
DOCTOR_CHECK(doctor_engine_answers);
DOCTOR_CHECK(doctor_group);
DOCTOR_CHECK(doctor_users);
DOCTOR_CHECK(doctor_uid_range);
DOCTOR_CHECK(doctor_rlimits);

/* One line (the first) of a small file, without newline, cut to fit; negative errno. */
int doctor_read_line(const char *path, char *ret, size_t size);
