/* SPDX-License-Identifier: MIT */
/*
 * Certificates that an operator laid down for one registry, in docker's layout:
 *
 *	CERTS-DIR/HOST[:PORT]/NAME.crt                 CAs to trust beside the system's
 *	CERTS-DIR/HOST[:PORT]/NAME.cert and NAME.key   what this client shows
 *
 * Files must be readable by the user that `imaged --fetch` runs as. May block on the disk.
 */
#pragma once

#include "http.h"

#define CERTS_BYTES_MAX (1U << 20) /* of all files of one kind together */

/* `domain` is a parsed reference's: it can't leave the directory. No directory is no failure. *ret
 * is to be cleared with http_tls_clear. */
int certs_load(const char *certs_dir, const char *domain, struct http_tls *ret, struct err *e);
