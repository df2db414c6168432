/* SPDX-License-Identifier: MIT */
/*
 * HTTP and TLS by libcurl, on the event loop: one call is one request and its answer. No call
 * follows a redirect, sends a cookie, or authenticates by itself: those decisions are registry.c's.
 * HTTP/1.1 alone, so that a paused body waits in the kernel's socket buffer and not in ours.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct http;
struct http_failure;
struct http_call;

/* What a server may look like beyond the system's CAs; all in PEM, borrowed while a call runs. */
struct http_tls {
	char *ca;	  /* more trusted CAs; NULL: none */
	char *cert, *key; /* of this client; NULL: none */
};
void http_tls_clear(struct http_tls *t);

/* Body bytes, at most HTTP_CHUNK_MAX at a time. Returns n, HTTP_PAUSE to be given the same bytes
 * again after http_resume(), or HTTP_ABORT. May not free or cancel the call. */
#define HTTP_CHUNK_MAX 16384	   /* CURL_MAX_WRITE_SIZE */
#define HTTP_PAUSE     0x10000001U /* CURL_WRITEFUNC_PAUSE */
#define HTTP_ABORT     0U

struct http_request {
	const char *url;
	const char *accept;	    /* value of the header; NULL: none */
	const char *authorization;  /* the same; goes to this URL's host alone */
	uint64_t offset;	    /* not 0: ask for the bytes from there on */
	unsigned int connect_ms;    /* to connected and, with TLS, greeted */
	unsigned int total_ms;	    /* for the whole call; not 0 */
	const struct http_tls *tls; /* may be NULL */
	size_t (*on_data)(void *arg, const char *p, size_t n);
	/* The call has ended: *failure says why there is no whole answer, or is NULL. The call is
	 * freed after this returns. */
	void (*on_done)(void *arg, const struct http_failure *failure);
	void *arg;
};

enum http_trouble {
	HTTP_NO_CONNECT, /* name, route, refused: nothing was sent */
	HTTP_NO_TLS,	 /* connected, but the other side doesn't greet in TLS */
	HTTP_UNTRUSTED,	 /* its certificate doesn't hold */
	HTTP_STALLED,	 /* too slow, or out of time */
	HTTP_BROKEN,	 /* ended in the middle */
	HTTP_REFUSED,	 /* by on_data, or by libcurl: trying again is no use */
};
struct http_failure {
	enum http_trouble trouble;
	char text[192]; /* "connection refused" */
};

struct http_setup {
	/* For hosts other than this one; NULL: none. The environment is never asked. */
	const char *proxy;
	unsigned int stall_seconds; /* less than HTTP_SLOW bytes a second for so long: stalled */
};
#define HTTP_SLOW    1024
#define HTTP_SLOWEST 8000 /* bytes a second that a whole blob must come with */

/* Loads libcurl and the TLS library; before privileges are dropped. */
struct http *http_new(struct loop *l, const struct http_setup *setup, struct err *e);
void http_free(struct http *h); /* every call must have ended or been cancelled */

/* Copies the strings of *q. NULL with a sentence. on_done is never called from inside. */
struct http_call *http_start(struct http *h, const struct http_request *q, struct err *e);
/* Goes on after HTTP_PAUSE. May call on_data and, if that aborts, on_done (and free the call). */
void http_resume(struct http_call *c);
void http_cancel(
	struct http_call *c); /* on_done will not be called; NULL is fine; not inside on_data */

/* Of the answer, from on_data and on_done. Strings live as long as the call. */
unsigned int http_status(struct http_call *c);
const char *http_header(struct http_call *c, const char *name, size_t index); /* NULL: no such */
const char *http_redirect(struct http_call *c); /* absolute; NULL: not a redirect */
