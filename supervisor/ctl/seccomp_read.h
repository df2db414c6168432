/* SPDX-License-Identifier: MIT */
/*
 * Parts of a seccomp profile in docker's JSON, read one by one. Each returns 0 or -errno with a
 * sentence that the caller puts the place in front of.
 */
#pragma once

#include <jansson.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define ARGS_MAX 6 /* of a system call */

struct condition {
	struct scmp_arg_cmp v[ARGS_MAX];
	unsigned int n;
	bool any; /* of them, since two look at one argument; else all */
};

/* An object with fields of the list (NULL ends it) alone; null stands for an empty one. */
int read_fields(json_t *o, const char *const *fields, struct err *e);

/* A list, or nothing. */
int read_list(json_t *v, const char *name, struct err *e);

/* o's field as an action of libseccomp's, with the error number that the other two fields give it.
 */
int read_action(json_t *o, const char *field, const char *ret_field, const char *name_field,
	uint32_t *ret, struct err *e);

/* Whether a rule counts here, for these capabilities, architecture and kernel; as docker has it:
 * all capabilities of includes, none of excludes. 1: it does. */
int read_when(uint64_t caps, json_t *rule, struct err *e);

/* The comparisons of a rule. */
int read_args(json_t *rule, struct condition *ret, struct err *e);
