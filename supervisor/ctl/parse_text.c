/* SPDX-License-Identifier: MIT */
/*
 * Names, environment, labels and other words from the command line; see parse.h.
 */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "base/util.h"
#include "flags.h"

#define NAME_MAX_LEN 128 /* FIELD(create, name) */

static bool is_word(const char *s, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(more, s[i]))
			return false;
	return n > 0;
}

int check_name(const char *s, struct err *e)
{
	size_t n = strlen(s);

	if (n > NAME_MAX_LEN)
		return err_set(e, EINVAL, "\"%.32s…\" has %zu characters: %d are the most", s, n,
			NAME_MAX_LEN);
	if (!is_word(s, n, "_.-") || !isalnum((unsigned char)s[0]))
		return err_set(e, EINVAL,
			"\"%.64s\" is no name: a letter or digit, then letters, digits, _ . or -",
			s);
	return 0;
}

int check_not_empty(const char *s, struct err *e)
{
	return *s ? 0 : err_set(e, EINVAL, "the value is empty");
}

int check_absolute(const char *s, struct err *e)
{
	if (s[0] != '/')
		return err_set(e, EINVAL, "\"%.128s\" is not an absolute path", s);
	return strlen(s) < 4096 ? 0 : err_set(e, EINVAL, "the path is too long");
}

/* Labels of letters, digits and hyphens, as RFC 1123 has them; underscores are common and harmless.
 */
static bool is_host(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n > max || !is_word(s, n, "-._"))
		return false;
	return s[0] != '-' && s[0] != '.' && s[n - 1] != '-' && s[n - 1] != '.' && !strstr(s, "..");
}

int check_hostname(const char *s, struct err *e)
{
	if (!is_host(s, 63))
		return err_set(e, EINVAL, "\"%.64s\" is no host name", s);
	return 0;
}

int check_domain(const char *s, struct err *e)
{
	if (strcmp(s, ".") != 0 && !is_host(s, 63))
		return err_set(e, EINVAL, "\"%.64s\" is no domain name", s);
	return 0;
}

int check_label(const char *s, struct err *e)
{
	if (!*s || *s == '=')
		return err_set(e, EINVAL, "\"%.64s\" has no key: labels are key=value", s);
	return 0;
}

int check_env(const char *s, struct err *e)
{
	if (!*s || *s == '=')
		return err_set(e, EINVAL, "\"%.64s\" has no name: variables are NAME=value", s);
	return 0;
}

int check_sysctl(const char *s, struct err *e)
{
	static const char *const own[] = {"kernel.msgmax=", "kernel.msgmnb=", "kernel.msgmni=",
		"kernel.sem=", "kernel.shmall=", "kernel.shmmax=", "kernel.shmmni=",
		"kernel.shm_rmid_forced=", "fs.mqueue.", "net."};
	size_t n = strcspn(s, "=");

	if (s[n] != '=' || !is_word(s, n, "._-/") || strstr(s, ".."))
		return err_set(e, EINVAL, "\"%.64s\" is no kernel parameter: name=value", s);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (strncmp(s, own[i], strlen(own[i])) == 0)
			return 0;
	return err_set(e, EINVAL, "\"%.*s\" belongs to the whole host, not to a container",
		(int)MIN(n, (size_t)64), s);
}

int check_capability(const char *s, struct err *e)
{
	char name[40];
	cap_value_t v;
	bool full = strncasecmp(s, "cap_", 4) == 0;

	if (strcasecmp(s, "all") == 0)
		return 0;
	if (strlen(s) < 32 && is_word(s, strlen(s), "_")) {
		snprintf(name, sizeof(name), "cap_%s", full ? s + 4 : s);
		for (char *p = name; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (cap_from_name(name, &v) == 0)
			return 0;
	}
	return err_set(e, EINVAL, "unknown capability \"%.64s\"", s);
}

int check_platform(const char *s, struct err *e)
{
	const char *arch = strchr(s, '/');

	if (!is_word(s, strlen(s), "/._-") || !arch || !arch[1] || strlen(s) > 63)
		return err_set(e, EINVAL,
			"\"%.64s\" is no platform: os/architecture[/variant]; linux/arm64, say", s);
	return 0;
}

int parse_env(const char *s, struct arena *a, struct strv *list, struct err *e)
{
	const char *value;
	size_t size;
	char *both;

	if (strchr(s, '='))
		return strv_append(a, list, s) < 0 ? err_set(e, ENOMEM, "too many variables") : 0;
	value = getenv(s);
	if (!value)
		return 0;
	size = strlen(s) + strlen(value) + 2;
	both = arena_alloc(a, size);
	if (!both)
		return err_set(e, ENOMEM, "variable %.64s is too long", s);
	snprintf(both, size, "%s=%s", s, value);
	return strv_append(a, list, both) < 0 ? err_set(e, ENOMEM, "too many variables") : 0;
}

static int env_line(const char *line, unsigned int number, bool is_env, struct arena *a,
	struct strv *list, struct err *e)
{
	size_t name = strcspn(line, "=");
	int r;

	if (name == 0 || strcspn(line, " \t") < name)
		return err_set(e, EINVAL, "line %u: \"%.64s\" is no name=value", number, line);
	if (is_env) {
		r = parse_env(line, a, list, e);
		return r < 0 ? err_prefix(e, "line %u", number) : 0;
	}
	if (strv_append(a, list, line) < 0)
		return err_set(e, ENOMEM, "too many lines");
	return 0;
}

int parse_env_lines(char *text, bool is_env, struct arena *a, struct strv *list, struct err *e)
{
	unsigned int number = 0;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text && *text) {
		char *line = text, *end = strchr(text, '\n');
		int r = 0;

		text = end ? end + 1 : NULL;
		if (end)
			*(end > line && end[-1] == '\r' ? end - 1 : end) = '\0';
		number++;
		line += strspn(line, " \t");
		if (*line && *line != '#')
			r = env_line(line, number, is_env, a, list, e);
		if (r < 0)
			return r;
	}
	return 0;
}
