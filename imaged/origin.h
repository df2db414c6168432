/* SPDX-License-Identifier: MIT */
/*
 * Where a request goes: scheme, host and port; and which origins it may go to. Used in `imaged
 * --fetch` for registries, token servers and redirects alike. Pure but for libcurl's URL parser,
 * the one that makes the connection too, so that both read a URL the same way.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define ORIGIN_HOST_MAX 255

struct origin {
	bool tls;
	char host[ORIGIN_HOST_MAX + 1]; /* lower case; an IPv6 address keeps its brackets */
	uint16_t port;
};
#define ORIGIN_TEXT_MAX (ORIGIN_HOST_MAX + 16)

/* An absolute http or https URL without user name and password in it. */
int origin_of_url(const char *url, struct origin *ret, struct err *e);

/* A reference's domain; docker.io's registry is registry-1.docker.io. */
int origin_of_domain(const char *domain, bool tls, struct origin *ret, struct err *e);

bool origin_equal(const struct origin *a, const struct origin *b);
const char *origin_text(const struct origin *o, char buf[ORIGIN_TEXT_MAX]); /* https://host:port */

/* 127.0.0.0/8, ::1 or localhost. */
bool origin_is_loopback(const struct origin *o);

/* May plain HTTP be spoken to it? To loopback, and to what the operator listed as HOST[:PORT]
 * (NULL-terminated; without a port: any). */
bool origin_may_be_plain(const struct origin *o, const char *const *insecure);

/* May a server at `from` send us on to `to`? Never from https to http, nor to plain HTTP on a host
 * where it isn't allowed. 0 or -EPERM. */
int origin_check_step(const struct origin *from, const struct origin *to,
	const char *const *insecure, struct err *e);
