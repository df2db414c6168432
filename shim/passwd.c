/* SPDX-License-Identifier: MIT */
/*
 * Parsing passwd and group; see passwd.h. Runs in the container's own process, before it becomes
 * the workload.
 */
#include "passwd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define ID_MAX	   (UINT32_MAX - 1) /* (uid_t)-1 means "unchanged" to the kernel */
#define DIGITS_MAX 10
#define FIELDS_MAX 7

struct span {
	const char *p;
	size_t n;
};

static bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

static bool span_id(struct span s, uint32_t *ret)
{
	char digits[DIGITS_MAX + 1];

	if (s.n == 0 || s.n > DIGITS_MAX)
		return false;
	memcpy(digits, s.p, s.n);
	digits[s.n] = '\0';
	return num_parse_u32(digits, 0, ID_MAX, ret) == 0;
}

static bool span_copy(struct span s, char *buf, size_t size)
{
	if (s.n >= size || memchr(s.p, '\0', s.n))
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	return true;
}

/* Cuts the next line off *rest into at most FIELDS_MAX fields; 0 at the end. An empty line is one
 * field. */
static size_t next_row(struct span *rest, struct span fields[FIELDS_MAX])
{
	const char *nl;
	struct span line;
	size_t n = 0;

	if (rest->n == 0)
		return 0;
	nl = memchr(rest->p, '\n', rest->n);
	line = (struct span){rest->p, nl ? (size_t)(nl - rest->p) : rest->n};
	rest->p += line.n + (nl ? 1 : 0);
	rest->n -= line.n + (nl ? 1 : 0);
	for (;;) {
		const char *colon = n + 1 < FIELDS_MAX ? memchr(line.p, ':', line.n) : NULL;

		fields[n++] = (struct span){line.p, colon ? (size_t)(colon - line.p) : line.n};
		if (!colon)
			return n;
		line.n -= (size_t)(colon + 1 - line.p);
		line.p = colon + 1;
	}
}

/* ---- what was asked for ---- */

int passwd_parse_key(const char *text, size_t n, struct passwd_key *ret, struct err *e)
{
	struct span s = {text, n};

	*ret = (struct passwd_key){.present = true};
	if (n == 0)
		return err_set(e, EINVAL, "an empty user or group");
	if (!span_copy(s, ret->name, sizeof(ret->name)) || memchr(text, ':', n) ||
		memchr(text, '\n', n))
		return err_set(
			e, EINVAL, "\"%.*s\" is not a user or group", (int)MIN(n, 64U), text);
	ret->numeric = span_id(s, &ret->id);
	return 0;
}

int passwd_parse_user(
	const char *text, struct passwd_key *ret_user, struct passwd_key *ret_group, struct err *e)
{
	const char *colon;
	int r;

	*ret_user = (struct passwd_key){0};
	*ret_group = (struct passwd_key){0};
	if (!text || !*text)
		return 0;
	colon = strchr(text, ':');
	r = passwd_parse_key(text, colon ? (size_t)(colon - text) : strlen(text), ret_user, e);
	if (r == 0 && colon)
		r = passwd_parse_key(colon + 1, strlen(colon + 1), ret_group, e);
	if (r < 0)
		err_prefix(e, "user \"%.64s\"", text);
	return r;
}

/* ---- what the files say ---- */

/* name:password:uid:gid:gecos:home:shell */
bool passwd_find(const char *text, size_t n, const struct passwd_key *key, struct passwd_row *ret)
{
	struct span rest = {text, n}, f[FIELDS_MAX];
	size_t fields;

	while ((fields = next_row(&rest, f)) > 0) {
		if (fields < 6 || f[0].n == 0 || !span_id(f[2], &ret->uid) ||
			!span_id(f[3], &ret->gid))
			continue;
		if (key->numeric ? ret->uid != key->id : !span_is(f[0], key->name))
			continue;
		if (span_copy(f[0], ret->name, sizeof(ret->name)) &&
			span_copy(f[5], ret->home, sizeof(ret->home)))
			return true;
	}
	return false;
}

/* name:password:gid:members */
bool passwd_find_group(const char *text, size_t n, const struct passwd_key *key, uint32_t *ret_gid)
{
	struct span rest = {text, n}, f[FIELDS_MAX];
	size_t fields;

	while ((fields = next_row(&rest, f)) > 0)
		if (fields >= 3 && f[0].n > 0 && span_id(f[2], ret_gid) &&
			(key->numeric ? *ret_gid == key->id : span_is(f[0], key->name)))
			return true;
	return false;
}

static bool lists(struct span members, const char *user)
{
	for (;;) {
		const char *comma = memchr(members.p, ',', members.n);
		struct span one = {members.p, comma ? (size_t)(comma - members.p) : members.n};

		if (span_is(one, user))
			return true;
		if (!comma)
			return false;
		members.n -= one.n + 1;
		members.p = comma + 1;
	}
}

size_t passwd_groups_of(const char *text, size_t n, const char *user, uint32_t *v, size_t max)
{
	struct span rest = {text, n}, f[FIELDS_MAX];
	size_t found = 0, fields;

	while (found < max && (fields = next_row(&rest, f)) > 0)
		if (fields >= 4 && *user && span_id(f[2], &v[found]) && lists(f[3], user))
			found++;
	return found;
}
