/* SPDX-License-Identifier: MIT */
/*
 * The texts of an image's /etc/passwd and /etc/group, and the --user that refers to them. Pure
 * functions on bytes that nobody vouches for: rows that are not well-formed are passed over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PASSWD_NAME_MAX 256
#define PASSWD_HOME_MAX 1024

/* A user or group as asked for: a number if it is one, else a name. */
struct passwd_key {
	bool present;
	bool numeric;
	uint32_t id;
	char name[PASSWD_NAME_MAX + 1];
};

/* "uid", "name", "uid:gid", "name:group" …; numbers are decimal, at most 2^32-2, without sign,
 * space or leading zero; an empty part is an error. NULL or "" is neither. */
int passwd_parse_user(
	const char *text, struct passwd_key *ret_user, struct passwd_key *ret_group, struct err *e);
int passwd_parse_key(const char *text, size_t n, struct passwd_key *ret, struct err *e);

struct passwd_row {
	char name[PASSWD_NAME_MAX + 1];
	uint32_t uid, gid;
	char home[PASSWD_HOME_MAX + 1];
};

/* The first row whose name, or uid, is the key's. */
bool passwd_find(const char *text, size_t n, const struct passwd_key *key, struct passwd_row *ret);
bool passwd_find_group(const char *text, size_t n, const struct passwd_key *key, uint32_t *ret_gid);

/* gids of the groups that list the user, into v; returns how many, at most max. */
size_t passwd_groups_of(const char *text, size_t n, const char *user, uint32_t *v, size_t max);
