/* SPDX-License-Identifier: MIT */
/*
 * Registry passwords of the caller; see auth.h. The files are the caller's own.
 */
#include "auth.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define FILE_MAX (1U << 20)

void auth_free(struct credentials *c)
{
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->username);
	free(c->password);
	*c = (struct credentials){0};
}

void auth_registry(const char *ref, char *out, size_t size)
{
	size_t n = strcspn(ref, "/");
	bool host = ref[n] == '/' && (memchr(ref, '.', n) || memchr(ref, ':', n) ||
					     (n == 9 && memcmp(ref, "localhost", 9) == 0));

	if (!host)
		snprintf(out, size, "docker.io");
	else
		snprintf(out, size, "%.*s", (int)MIN(n, size - 1), ref);
	if (strcmp(out, "index.docker.io") == 0 || strcmp(out, "registry-1.docker.io") == 0)
		snprintf(out, size, "docker.io");
}

/* Keys are hosts, or URLs such as https://index.docker.io/v1/. */
static bool key_names(const char *key, const char *registry)
{
	char host[256];

	if (strncmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncmp(key, "http://", 7) == 0)
		key += 7;
	snprintf(host, sizeof(host), "%.*s", (int)MIN(strcspn(key, "/"), sizeof(host) - 1), key);
	if (strcmp(host, "index.docker.io") == 0)
		strcpy(host, "docker.io");
	return strcmp(host, registry) == 0;
}

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* NULL when it is none. */
static char *base64_decode(const char *s)
{
	size_t n = strlen(s), used = 0;
	char *out = malloc(n + 1);
	unsigned int bits = 0, have = 0;

	for (; out && *s && *s != '='; s++) {
		int v = base64_value(*s);

		if (v < 0) {
			free(out);
			return NULL;
		}
		bits = bits << 6 | (unsigned int)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[used++] = (char)(bits >> have & 0xff);
		}
	}
	if (out)
		out[used] = '\0';
	return out;
}

static int take_entry(
	const json_t *entry, const char *registry, struct credentials *ret, struct err *e)
{
	const char *both = json_string_value(json_object_get(entry, "auth"));
	const char *user = json_string_value(json_object_get(entry, "username"));
	const char *password = json_string_value(json_object_get(entry, "password"));
	char *decoded, *colon;

	if (!both || !*both) {
		if (user && password) {
			ret->username = strdup(user);
			ret->password = strdup(password);
		}
		return 0;
	}
	decoded = base64_decode(both);
	colon = decoded ? strchr(decoded, ':') : NULL;
	if (!colon) {
		free(decoded);
		return err_set(e, EINVAL, "the password for %.64s is not base64 of name:password",
			registry);
	}
	*colon = '\0';
	ret->password = strdup(colon + 1);
	ret->username = decoded;
	return ret->password ? 0 : err_set(e, ENOMEM, "out of memory");
}

int auth_from_json(const char *text, const char *registry, struct credentials *ret, struct err *e)
{
	json_error_t why;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why), *auths, *entry;
	const char *key;
	int r = 0;

	if (!root)
		return err_set(e, EINVAL, "line %d: %.100s", why.line, why.text);
	auths = json_object_get(root, "auths");
	json_object_foreach(auths, key, entry)
	{
		if (ret->username || !key_names(key, registry))
			continue;
		r = take_entry(entry, registry, ret, e);
		if (r < 0)
			break;
	}
	json_decref(root);
	return r;
}

static int look_into(const char *path, const char *registry, struct credentials *ret, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	int r;

	if (fd < 0)
		return 0;
	r = fd_read_file(fd, FILE_MAX, &text, NULL);
	if (r < 0)
		return err_errno(e, r, "%.128s", path);
	r = auth_from_json(text, registry, ret, e);
	explicit_bzero(text, strlen(text));
	return r < 0 ? err_prefix(e, "%.128s", path) : 0;
}

int auth_find(const char *ref, struct credentials *ret, struct err *e)
{
	const struct {
		const char *variable, *below;
	} places[] = {{"REGISTRY_AUTH_FILE", ""}, {"XDG_RUNTIME_DIR", "/containers/auth.json"},
		{"DOCKER_CONFIG", "/config.json"}, {"HOME", "/.docker/config.json"}};
	char registry[256], path[PATH_MAX];
	int r = 0;

	*ret = (struct credentials){0};
	auth_registry(ref, registry, sizeof(registry));
	for (size_t i = 0; i < ARRAY_LEN(places) && r == 0 && !ret->username; i++) {
		const char *value = getenv(places[i].variable);

		/* DOCKER_CONFIG is instead of the home directory, not before it. */
		if (!value || !*value ||
			(strcmp(places[i].variable, "HOME") == 0 && getenv("DOCKER_CONFIG")))
			continue;
		snprintf(path, sizeof(path), "%s%s", value, places[i].below);
		r = look_into(path, registry, ret, e);
	}
	return r;
}
