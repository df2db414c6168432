/* SPDX-License-Identifier: MIT */
/*
 * Speaking with one registry about one repository. A session holds its address, credentials and
 * token; a get is one document or blob asked of it, with all that may be needed on the way: https
 * or (where allowed) plain http, authentication, redirects, trying again. Runs in `imaged --fetch`.
 *
 * Where secrets go: the user's password to the registry's own origin (Basic) or to the token server
 * that this origin names; a token to the registry's own origin. Nothing follows a redirect to
 * another origin, and nothing goes from https to plain http.
 *
 * Mirrors are asked first, in their order, each as it would be asked for itself: without the user's
 * name and password. What one doesn't have, or gives up on, the next is asked for, in the end the
 * registry.
 *
 * https or not: https is tried first. Loopback, and hosts listed as insecure, may answer in plain
 * http instead: when the other side doesn't greet in TLS, the session goes on in plain. An
 * untrusted certificate never leads there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "mirror.h"
#include "reference.h"

struct session;
struct get;

#define MIRRORS_MAX 8 /* of one registry */

struct registry_setup {
	struct loop *loop;
	struct http *http;
	const char *certs_dir;
	const char *const *insecure; /* HOST[:PORT], NULL-terminated */
	const struct mirror *mirrors;
	unsigned int n_mirrors;
	uint32_t grace_seconds; /* a blob's, beyond what HTTP_SLOWEST gives it */
};

/* Copies what it needs of ref, user and password (both may be NULL). */
struct session *session_new(const struct registry_setup *setup, const struct reference *ref,
	const char *user, const char *password, struct err *e);
/* Cancels its gets without a word; wipes its secrets. NULL is fine. Not inside on_data. */
void session_free(struct session *s);
const struct reference *session_reference(const struct session *s);

struct get_request {
	const char *path;   /* behind /v2/REPOSITORY/ ; copied */
	const char *accept; /* may be NULL; static */
	/* A document is collected here, and to be had by get_body(): */
	size_t max_body;
	/* … or a blob is streamed; as in http.h. Bytes come once and in order, however often the
	 * transfer had to be taken up again. */
	size_t (*on_data)(void *arg, const char *p, size_t n);
	uint64_t size; /* of the blob */
	uint64_t from; /* so many of its bytes are here already */
	/* Ends it, once; the get is freed after this returns. ENOENT when the registry says that
	 * there is no such thing. */
	void (*on_done)(void *arg, struct get *g, const struct err *failure);
	void *arg;
};

/* on_done is never called from inside. */
struct get *get_start(struct session *s, const struct get_request *q, struct err *e);
void get_resume(struct get *g); /* after HTTP_PAUSE; may call on_data and on_done */
void get_cancel(struct get *g); /* on_done will not be called; NULL is fine; not inside on_data */

/* What it brought is wrong: was that a mirror's doing? Then that is asked for nothing more, and
 * asking again may help. Not before on_done, or instead of it. */
bool get_distrust(struct get *g);

/* In on_done: the document (not terminated), and a header of its answer. */
const char *get_body(const struct get *g, size_t *ret_len);
const char *get_header(const struct get *g, const char *name);
