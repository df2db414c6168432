/* SPDX-License-Identifier: MIT */
/*
 * Foreign JSON, read by jansson within bounds of our own: nesting, number of values, no key twice.
 * Used in `imaged --fetch` alone.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#define JSON_DEPTH_MAX	32
#define JSON_VALUES_MAX 100000 /* about 150 bytes of memory each */

static inline void json_freep(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_freep)

/* An object, owned by the caller; or NULL with a sentence that starts with `what`. */
json_t *json_read(const char *what, const char *buf, size_t n, struct err *e);

/* Members with strict types. A member that is absent or null leaves *ret NULL or 0; of another
 * type: -EBADMSG. *ret points into the object. */
int json_get_string(const json_t *obj, const char *key, const char **ret, struct err *e);
int json_get_array(const json_t *obj, const char *key, const json_t **ret, struct err *e);
int json_get_object(const json_t *obj, const char *key, const json_t **ret, struct err *e);
int json_get_u64(const json_t *obj, const char *key, uint64_t *ret, struct err *e);
