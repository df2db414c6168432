/* SPDX-License-Identifier: MIT */
/*
 * What registries ask for and what is sent back: WWW-Authenticate challenges (RFC 9110, 11.6.1),
 * Basic, and bearer tokens as docker's registries give them out. Text in, text out; no I/O. Every
 * header value made here holds a secret: free it with auth_free().
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

enum auth_scheme { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

struct challenge {
	enum auth_scheme scheme;
	char realm[1024];  /* of AUTH_BEARER: the token server's URL, as the registry claims */
	char service[256]; /* "" when not named */
};

/* Reads one WWW-Authenticate header into *best (zero it first; there may be several headers).
 * Bearer with a realm beats Basic; what is malformed or unknown is passed over. */
void challenge_read(const char *header, struct challenge *best);

/* "Basic …". The user name may hold no colon. */
int auth_basic(const char *user, const char *password, char **ret, struct err *e);

/* The token server's URL with service and scope, for a GET. */
int auth_token_url(const struct challenge *c, const char *scope, char **ret, struct err *e);

/* "Bearer …" from the token server's answer. */
int auth_token_read(const char *json, size_t n, char **ret, struct err *e);

void auth_free(char **secret); /* wipes; a NULL inside is fine */
