/* SPDX-License-Identifier: MIT */
/*
 * Reads what the operator says of mirrors; see mirror.h. A domain names a directory of certificates
 * too.
 */
#include "mirror.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "origin.h"

static bool is_domain(const char *text)
{
	struct origin o;
	struct err e;

	return *text && *text != '.' && !strstr(text, "..") &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.:-[]") == strlen(text) &&
	       origin_of_domain(text, true, &o, &e) == 0;
}

static bool is_path(const char *text)
{
	return *text != '/' && !strstr(text, "..") && !strstr(text, "//") &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-/") == strlen(text);
}

int mirror_parse(const char *text, struct mirror *ret, struct err *e)
{
	const char *is = strchr(text, '='), *slash = is ? strchr(is, '/') : NULL;
	size_t n = slash ? strlen(slash + 1) : 0;

	*ret = (struct mirror){0};
	if (!is || strlen(text) > REFERENCE_NAME_MAX)
		return err_set(
			e, EINVAL, "--mirror takes REGISTRY=HOST[:PORT][/PATH], not %.100s", text);
	memcpy(ret->registry, text, (size_t)(is - text));
	memcpy(ret->domain, is + 1, slash ? (size_t)(slash - is - 1) : strlen(is + 1));
	if (n > 0)
		snprintf(ret->prefix, sizeof(ret->prefix), "%.*s/",
			(int)(slash[n] == '/' ? n - 1 : n), slash + 1);
	if (!is_domain(ret->registry) || !is_domain(ret->domain) || !is_path(ret->prefix))
		return err_set(
			e, EINVAL, "--mirror takes REGISTRY=HOST[:PORT][/PATH], not %.100s", text);
	return 0;
}
