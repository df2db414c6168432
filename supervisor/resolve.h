/* SPDX-License-Identifier: MIT */
/*
 * From what the user asked for and what the image says to what the shim does. Pure: no kernel, no
 * clock.
 */
#pragma once

#include "caps.h"
#include "messages.h"

/* docker's command: ENTRYPOINT and CMD concatenate; --entrypoint drops the image's CMD too. */
int resolve_argv(const struct create *o, const struct image_config *img, struct arena *a,
	struct strv *ret, struct err *e);

/* Image's variables, PATH, HOSTNAME and TERM (with a terminal), then the user's, each name once. */
int resolve_env(const struct create *o, const struct image_config *img, const char *hostname,
	struct arena *a, struct strv *ret, struct err *e);

/* Everything of the spec but its files' texts; strings are borrowed from o, img, id and the arena.
 */
int resolve_spec(const struct create *o, const struct image_config *img, const char *id,
	struct arena *a, struct spec *ret, struct err *e);

/* The texts of /etc/hosts and /etc/resolv.conf, in the arena. host_resolv is the host's file (may
 * be NULL). */
int resolve_hosts(const struct create *o, const char *hostname, const struct endpoint *ep,
	const char *gateway, struct arena *a, const char **ret, struct err *e);
int resolve_resolv_conf(const struct create *o, const char *host_resolv, bool host_network,
	struct arena *a, const char **ret, struct err *e);
