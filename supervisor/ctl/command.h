/* SPDX-License-Identifier: MIT */
/*
 * What main knows of a command, and what a command knows of its call.
 */
#pragma once

#include "client.h"
#include "flags.h"

enum {
	EXIT_OBJECT = 1,   /* an unknown object, a refused action */
	EXIT_ENGINE = 125, /* usage or engine errors of run, create and start; no engine */
};

/* One call of ctl. */
struct ctl {
	const char *socket;   /* path of the engine's socket */
	const char *command;  /* as typed */
	const char *object;   /* what it is about, for complaints that do not name it; or NULL */
	struct arena arena;   /* freed at the end of main */
	struct client engine; /* open once ctl_connect has returned 0 */
	bool unreachable;     /* there is no engine: exit code 125 whatever the command */
};

struct command {
	const char *name;
	const char *operands; /* for the usage line */
	const char *summary;
	const struct flag *flags;
	size_t options_size; /* of the structure that flags fill; zeroed */
	uint32_t min, max;   /* operands */
	bool stop_at_operand;
	int usage_code; /* exit code of usage errors and of errors without a code of their own */
	/* Returns the exit code, or negative with a sentence in *e that main prints. */
	int (*run)(struct ctl *c, void *options, const struct strv *operands, struct err *e);
};

extern const struct command command_run, command_create, command_start, command_attach,
	command_exec, command_update, command_rename, command_pause, command_unpause, command_stop,
	command_restart, command_kill, command_rm, command_wait, command_ps, command_stats,
	command_events, command_top, command_port, command_export, command_cp, command_logs,
	command_inspect, command_pull, command_images, command_rmi, command_info, command_doctor,
	command_version, command_system_df, command_system_prune, command_image_prune,
	command_container_prune;

/* Connects, then drops every capability for good: what is read from now on comes from containers.
 * Open before it what the caller's own rights are needed for. */
int ctl_connect(struct ctl *c, struct err *e);

/* 126 and 127 for what the container could not execute, else `other`. */
int ctl_exit_code(const struct err *e, int other);

/* One error of one object of several, on stderr: `ctl: kill: no such container: x`. */
void ctl_complain(const struct ctl *c, const struct err *e);

/* `ctl: cp: warning: …` on stderr. */
void ctl_warn(const struct ctl *c, const char *text);

/* Runs fn for each operand, complains of each failure and goes on. Returns 0 or EXIT_OBJECT. */
int ctl_for_each(struct ctl *c, const struct strv *operands, void *options,
	int (*fn)(struct ctl *c, void *options, const char *ref, struct err *e));

/* One request an object, several at once: stopping ten containers takes as long as stopping the
 * slowest. */
struct each {
	enum msg_type type; /* a REQUEST answered by `done` */
	/* Fills the message for one object; it is sent before the next call. */
	const void *(*fill)(void *arg, const char *ref);
	/* Told of each answer, in the order they come. Returns 0 when it is fine, negative to
	 * complain and fail, positive to complain alone. NULL: prints ref on success. */
	int (*answer)(void *arg, const char *ref, int r);
	void *arg;
};
/* Returns 0 or EXIT_OBJECT; negative when the engine is lost. */
int ctl_request_each(
	struct ctl *c, const struct strv *refs, const struct each *each, struct err *e);
