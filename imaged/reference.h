/* SPDX-License-Identifier: MIT */
/*
 * Image references as docker reads them: [host[:port]/]path[:tag][@digest].
 *
 *	busybox                          docker.io/library/busybox:latest
 *	me/app:1                         docker.io/me/app:1
 *	localhost/x  127.0.0.1:5000/x    a first word with a dot, a colon or a capital, or
 *localhost, is a host
 *	[::1]:5000/x@sha256:…            with a digest, no tag is implied
 *
 * Pure: no allocation, no I/O, any process may link it (with digest.c and base/err.c). Everything
 *that comes out of reference_parse() is plain ASCII without slashes but in `path`, has no "." or
 *".." component, and may be put into a URL or a file name as it is.
 */
#pragma once

#include "base/err.h"
#include "digest.h"

#define REFERENCE_NAME_MAX 255 /* bytes of domain, slash and path together */
#define REFERENCE_TAG_MAX  128
#define REFERENCE_TEXT_MAX (REFERENCE_NAME_MAX + 1 + REFERENCE_TAG_MAX + 1 + DIGEST_TEXT_MAX)

struct reference {
	char domain[REFERENCE_NAME_MAX + 1]; /* docker.io, 127.0.0.1:5000, [::1]:5000 */
	char path[REFERENCE_NAME_MAX + 1];   /* library/busybox */
	char tag[REFERENCE_TAG_MAX + 1];     /* "" with a digest alone */
	char digest[DIGEST_TEXT_MAX];	     /* "" when not given */
};

/* -EINVAL and one sentence that quotes the text safely. *ret is written whole or, on failure,
 * zeroed. */
int reference_parse(const char *text, struct reference *ret, struct err *e);

/* The one full spelling: docker.io/library/busybox:latest. Returns buf. */
const char *reference_format(const struct reference *r, char buf[REFERENCE_TEXT_MAX]);

/* Without the domain, and on docker.io without library/: what stands in `image "…" not found on …`.
 */
const char *reference_short(const struct reference *r, char buf[REFERENCE_TEXT_MAX]);
