/* SPDX-License-Identifier: MIT */
/*
 * The engine's command line, and the directories and ids that follow from it.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"

#define INSECURE_MAX 32

struct options {
	const char *name;
	const char *run_dir, *state_dir;
	const char *log; /* level, handed on to the helpers */
	const char *certs_dir;
	const char *config; /* file; NULL: /etc/bulkhead/NAME.conf if there is one */
	const char *group;  /* who may use the engine; NULL: what the file says, else bulkhead */
	const char *cgroup_parent;     /* of cgroup v2, where cgroups are made; NULL: its root */
	const char *subnet4, *subnet6; /* of the default network; NULL: netd chooses */
	const char *publish_ip;	       /* where ports are published unless -p says: 127.0.0.1 */
	const char *image_gc;	       /* gc.h's marks; NULL: images stay */
	const char *insecure[INSECURE_MAX + 1];
	const char *mirrors[INSECURE_MAX + 1];
	uint32_t standby;	   /* shims kept ready */
	uint32_t shutdown_timeout; /* seconds that workloads get after SIGTERM when the engine ends
				    */
	uint32_t uid_base; /* first uid of the engine's block; 0: the first block that is free */
	uid_t uid;	   /* of the supervisor process */
	gid_t gid;
	bool check; /* the command line and the configuration alone, see launch() */
	bool serve; /* this is the supervisor process, started by the launcher */
	enum log_level level;
	char run_buf[PATH_MAX], state_buf[PATH_MAX];
};

/* Parses; exits with 2 and one sentence on bad usage. */
void options_parse(int argc, char **argv, struct options *ret);

#define OPTIONS_ARGV_MAX (2 * (14 + 2 * INSECURE_MAX))
/* The command line for the supervisor process: as ours, with --serve and what has been settled
 * since. numbers is storage for the numeric arguments. NULL-terminated. */
void options_serve_argv(
	const struct options *o, const char *argv[OPTIONS_ARGV_MAX], char numbers[5][16]);
