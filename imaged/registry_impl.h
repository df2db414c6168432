/* SPDX-License-Identifier: MIT */
/*
 * What session.c, get.c and get_auth.c share; not for others.
 */
#pragma once

#include "auth.h"
#include "origin.h"
#include "registry.h"

/* Where the repository is: at its registry, or at a mirror of that. Nothing that one gave or is
 * given goes to another. */
struct place {
	const char *domain; /* HOST[:PORT], as the user or the operator spells it */
	const char *prefix; /* in front of the repository's name */
	struct origin origin;
	bool mirror;
	bool bad;	      /* of a mirror: not to be asked again */
	bool may_be_plain;    /* nobody has answered yet, and plain http is allowed */
	bool answered;	      /* somebody has: a connection that fails later may come back */
	char *authorization;  /* header value that is wanted now; NULL: none yet */
	unsigned int renewed; /* how often authorization has changed */
	struct http_tls tls;
	/* The same CAs, borrowed; without this client's certificate. */
	struct http_tls tls_elsewhere;
};

struct session {
	const struct registry_setup *setup;
	struct reference ref;
	char *user, *password;		      /* the registry's alone; NULL: anonymous */
	struct place places[MIRRORS_MAX + 1]; /* in the order they are asked; the registry last */
	unsigned int n_places;
	struct get *gets;
};

enum get_phase {
	GET_CONTENT, /* asks for the thing itself */
	GET_TOKEN,   /* asks the token server */
};

struct get {
	struct session *session;
	struct place *place; /* of the session's: the one asked now */
	struct get *next;    /* of the session's */
	struct get_request q;
	char *path;

	enum get_phase phase;
	char *url;	  /* asked now */
	struct origin at; /* of url */
	struct origin token_origin;
	struct http_call *call;
	bool live;	     /* the call has not ended */
	struct watch *pause; /* before the next try */

	unsigned int redirects; /* of this try */
	unsigned int tries;
	uint64_t pauses_ms;	 /* between those tries */
	uint64_t deadline_ns;	 /* of all tries together */
	unsigned int auth_tries; /* since the registry was last content */
	unsigned int used;	 /* session.renewed when the call was made */

	uint64_t received; /* bytes of a blob handed on */
	uint64_t began_at; /* of those, before this call */
	bool no_ranges;	   /* the server refuses to send a part */
	bool called_off;   /* by on_data */
	uint64_t skip;	   /* of this answer, still to be dropped: it starts at the blob's start */
	bool started;	   /* this answer's first body byte has been seen */
	bool progress;	   /* this try has handed on something */

	char *body;
	size_t body_len;
	struct err refusal; /* why on_body aborted */
};

/* get.c: aim at the thing itself, from the start; make the call for g->url; end and free g. */
void get_aim(struct get *g);
void get_ask(struct get *g);
void get_finish(struct get *g, const struct err *failure);
int get_set_url(struct get *g, const char *url, struct err *e);
/* Password and user name for where it is now; NULL: none. */
const char *get_user(const struct get *g);
bool get_is_late(const struct get *g); /* its time is over */
/* "registry X: words" */
int get_sentence(const struct get *g, int code, const char *words, struct err *e);

/* get_answer.c */
void get_on_answer(void *get, const struct http_failure *failure);

/* get_auth.c: deals with a 401 of the registry, and with the token server's answer. Each either
 * goes on asking or finishes the get. */
void get_on_unauthorized(struct get *g);
void get_on_token(struct get *g);
