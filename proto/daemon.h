/* SPDX-License-Identifier: MIT */
/*
 * What every helper's main has in common: its command line, its channel, its debug form.
 */
#pragma once

#include "base/log.h"
#include "base/priv.h"
#include "chan.h"

#define DAEMON_CHANNEL_FD 3

struct daemon_args {
	const char *name; /* of the engine; prefixes what it makes in the kernel */
	bool debug;	  /* alone in the foreground, text on stdin and stdout */
	uid_t uid;	  /* to run as; from the profile unless given */
	gid_t gid;
};

/* A program's own option: takes a value into *value, or appends to *list (NULL-terminated, at most
 * list_max) when it may be repeated, or sets *flag. */
struct daemon_option {
	const char *name; /* without dashes; NULL ends the table */
	const char **value;
	const char **list;
	unsigned int list_max;
	bool *flag;
	const char *help;
};

/* Parses the command line, opens the log. Exits with 2 and one sentence on bad usage, with 0 on
 * --help. */
void daemon_parse(int argc, char **argv, const struct priv_profile *p,
	const struct daemon_option *options, struct daemon_args *ret);

/* fd 3, or stdin and stdout as text with --debug. The loop stops when the peer is gone.
 * setup->on_close may be NULL: then the loop is stopped; otherwise on_close must do it. */
struct chan *daemon_channel(
	struct loop *l, const struct daemon_args *a, const struct chan_setup *setup, struct err *e);
