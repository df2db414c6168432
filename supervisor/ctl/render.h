/* SPDX-License-Identifier: MIT */
/*
 * Containers and images as docker's JSON. Each returns a new reference.
 */
#pragma once

#include <jansson.h>

#include "messages.h"

json_t *render_container(const struct container *c);
json_t *render_image(const struct image *im);

/* Parts of the two. */
json_t *render_host_config(const struct container *c);
json_t *render_network(const struct container *c);
json_t *render_health(const struct health *h);
json_t *render_health_state(const struct health_state *s);
json_t *render_strings(const struct strv *v); /* null when empty, as docker has it */
json_t *render_pairs(
	const struct strv *a, const struct strv *b); /* key=value lists, the later wins */
json_t *render_keys(const struct strv *v);	     /* {"80/tcp": {}} */

/* Sets text, or "" for NULL. */
void render_text(json_t *j, const char *key, const char *value);
void render_number(json_t *j, const char *key, int64_t value);
void render_bool(json_t *j, const char *key, bool value);
