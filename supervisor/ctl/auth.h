/* SPDX-License-Identifier: MIT */
/*
 * The caller's registry passwords, from docker's config.json and podman's auth.json.
 */
#pragma once

#include "base/err.h"

struct credentials {
	char *username, *password; /* NULL: none known for this registry */
};

/* Looks in $REGISTRY_AUTH_FILE, ${XDG_RUNTIME_DIR}/containers/auth.json, then
 * $DOCKER_CONFIG/config.json or ~/.docker/config.json. A file that is not there or may not be read
 * is skipped; one that is no JSON is an error. */
int auth_find(const char *ref, struct credentials *ret, struct err *e);
void auth_free(struct credentials *c);

/* The registry that a reference names: docker.io unless its first part has a dot or a port, or is
 * localhost. */
void auth_registry(const char *ref, char *out, size_t size);

/* Finds the registry among the `auths` of the JSON text; 0 also when it is not there. */
int auth_from_json(const char *text, const char *registry, struct credentials *ret, struct err *e);
