/* SPDX-License-Identifier: MIT */
/*
 * Reads image references. The text comes from a user or from a peer's message and is trusted in
 * nothing. Owns nothing; linked by several programs.
 */
#include "reference.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN  "index.docker.io"
#define OFFICIAL       "library/"
#define DEFAULT_TAG    "latest"
#define QUOTE_MAX      80

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"
#define HEX   "0123456789abcdef"

/* A piece of the text; not terminated. */
struct piece {
	const char *p;
	size_t n;
};

static size_t span(struct piece s, size_t from, const char *set)
{
	size_t i = from;

	while (i < s.n && s.p[i] && strchr(set, s.p[i]))
		i++;
	return i - from;
}

static int refuse(const char *text, const char *why, struct err *e)
{
	char quoted[QUOTE_MAX + 4];
	size_t n = 0;

	for (; text[n] && n < QUOTE_MAX; n++)
		quoted[n] = text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' ? text[n] : '?';
	strcpy(quoted + n, text[n] ? "..." : "");
	return err_set(e, EINVAL, "image reference \"%s\": %s", quoted, why);
}

/* [a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])? between dots. */
static bool host_name_ok(struct piece h)
{
	size_t at = 0, n;

	for (;;) {
		n = span(h, at, LOWER UPPER DIGIT "-");
		if (n == 0 || h.p[at] == '-' || h.p[at + n - 1] == '-')
			return false;
		at += n;
		if (at == h.n)
			return true;
		if (h.p[at++] != '.')
			return false;
	}
}

static bool host_v6_ok(struct piece h)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a;

	if (h.n >= sizeof(text))
		return false;
	memcpy(text, h.p, h.n);
	text[h.n] = '\0';
	return inet_pton(AF_INET6, text, &a) == 1;
}

static bool port_ok(struct piece p)
{
	char text[6];
	uint32_t v;

	if (p.n == 0 || p.n >= sizeof(text))
		return false;
	memcpy(text, p.p, p.n);
	text[p.n] = '\0';
	return num_parse_u32(text, 1, 65535, &v) == 0;
}

static bool domain_ok(struct piece d)
{
	const char *end = d.p + d.n, *colon, *bracket;

	if (d.n > 0 && d.p[0] == '[') {
		bracket = memchr(d.p, ']', d.n);
		if (!bracket || !host_v6_ok((struct piece){d.p + 1, (size_t)(bracket - d.p) - 1}))
			return false;
		colon = bracket + 1;
		return colon == end || (*colon == ':' && port_ok((struct piece){colon + 1,
								 (size_t)(end - colon) - 1}));
	}
	colon = memchr(d.p, ':', d.n);
	if (!colon)
		return host_name_ok(d);
	return host_name_ok((struct piece){d.p, (size_t)(colon - d.p)}) &&
	       port_ok((struct piece){colon + 1, (size_t)(end - colon) - 1});
}

/* Between letters and digits: one dot, one or two underscores, or any number of dashes. */
static bool separator_ok(struct piece s)
{
	return (s.n == 1 && (s.p[0] == '.' || s.p[0] == '_')) ||
	       (s.n == 2 && memcmp(s.p, "__", 2) == 0) || span(s, 0, "-") == s.n;
}

static bool path_ok(struct piece s)
{
	size_t at = 0, n;

	for (;;) {
		n = span(s, at, LOWER DIGIT);
		if (n == 0)
			return false;
		at += n;
		if (at == s.n)
			return true;
		if (s.p[at] == '/') {
			at++;
			continue;
		}
		n = span(s, at, "._-");
		if (n == 0 || !separator_ok((struct piece){s.p + at, n}))
			return false;
		at += n;
	}
}

static bool tag_ok(struct piece t)
{
	return t.n > 0 && t.n <= REFERENCE_TAG_MAX && t.p[0] != '.' && t.p[0] != '-' &&
	       span(t, 0, LOWER UPPER DIGIT "_.-") == t.n;
}

/* docker's rule for whether the word before the first slash is a host. */
static bool is_domain(struct piece first)
{
	if (memchr(first.p, '.', first.n) || memchr(first.p, ':', first.n))
		return true;
	if (first.n == strlen("localhost") && memcmp(first.p, "localhost", first.n) == 0)
		return true;
	for (size_t i = 0; i < first.n; i++)
		if (first.p[i] >= 'A' && first.p[i] <= 'Z')
			return true;
	return false;
}

static void split_domain(struct piece name, struct piece *ret_domain, struct piece *ret_path)
{
	const char *slash = memchr(name.p, '/', name.n);
	struct piece first = {name.p, slash ? (size_t)(slash - name.p) : 0};

	*ret_domain = (struct piece){DEFAULT_DOMAIN, strlen(DEFAULT_DOMAIN)};
	*ret_path = name;
	if (!slash || !is_domain(first))
		return;
	*ret_path = (struct piece){slash + 1, name.n - first.n - 1};
	if (first.n != strlen(LEGACY_DOMAIN) || memcmp(first.p, LEGACY_DOMAIN, first.n) != 0)
		*ret_domain = first;
}

static int parse_name(const char *text, struct piece name, struct reference *ret, struct err *e)
{
	struct piece domain, path;
	bool official;

	split_domain(name, &domain, &path);
	if (!domain_ok(domain))
		return refuse(text,
			"the registry is not a host name or address with an optional port", e);
	if (span(path, 0, LOWER UPPER DIGIT "._-/") == path.n &&
		span(path, 0, LOWER DIGIT "._-/") != path.n)
		return refuse(text, "the repository must be in lower case", e);
	if (!path_ok(path))
		return refuse(text,
			"the repository is not letters and digits with single . _ / or - between",
			e);
	if (name.n == 64 && span(name, 0, HEX) == 64)
		return refuse(text, "64 hex digits are an id, not a name", e);
	official = domain.n == strlen(DEFAULT_DOMAIN) &&
		   memcmp(domain.p, DEFAULT_DOMAIN, domain.n) == 0 && !memchr(path.p, '/', path.n);
	if (domain.n + 1 + (official ? strlen(OFFICIAL) : 0) + path.n > REFERENCE_NAME_MAX)
		return refuse(text, "the name is longer than 255 bytes", e);
	snprintf(ret->domain, sizeof(ret->domain), "%.*s", (int)domain.n, domain.p);
	snprintf(ret->path, sizeof(ret->path), "%s%.*s", official ? OFFICIAL : "", (int)path.n,
		path.p);
	return 0;
}

/* Cuts "@digest" and ":tag" off the end; a colon before the last slash belongs to a port. */
static int parse_suffix(const char *text, struct piece *name, struct reference *ret, struct err *e)
{
	const char *at = strchr(text, '@'), *slash, *colon;

	name->p = text;
	name->n = at ? (size_t)(at - text) : strlen(text);
	if (at && !digest_copy(ret->digest, at + 1))
		return refuse(text, "the digest is not sha256: and 64 lower-case hex digits", e);
	slash = memrchr(text, '/', name->n);
	colon = memrchr(text, ':', name->n);
	if (colon && (!slash || colon > slash)) {
		struct piece tag = {colon + 1, name->n - (size_t)(colon - text) - 1};

		if (!tag_ok(tag))
			return refuse(text, "the tag is not 1 to 128 letters, digits, _ . or -", e);
		memcpy(ret->tag, tag.p, tag.n);
		name->n = (size_t)(colon - text);
	} else if (!at) {
		strcpy(ret->tag, DEFAULT_TAG);
	}
	return 0;
}

int reference_parse(const char *text, struct reference *ret, struct err *e)
{
	struct reference out = {0};
	struct piece name;
	int r;

	*ret = out;
	if (!*text)
		return err_set(e, EINVAL, "the image reference is empty");
	r = parse_suffix(text, &name, &out, e);
	if (r == 0)
		r = parse_name(text, name, &out, e);
	if (r == 0)
		*ret = out;
	return r;
}

static void append(char buf[REFERENCE_TEXT_MAX], const char *sep, const char *word)
{
	size_t n = strlen(buf);

	if (*word)
		snprintf(buf + n, REFERENCE_TEXT_MAX - n, "%s%s", sep, word);
}

const char *reference_format(const struct reference *r, char buf[REFERENCE_TEXT_MAX])
{
	buf[0] = '\0';
	append(buf, "", r->domain);
	append(buf, "/", r->path);
	append(buf, ":", r->tag);
	append(buf, "@", r->digest);
	return buf;
}

const char *reference_short(const struct reference *r, char buf[REFERENCE_TEXT_MAX])
{
	bool official = strcmp(r->domain, DEFAULT_DOMAIN) == 0 &&
			strncmp(r->path, OFFICIAL, strlen(OFFICIAL)) == 0;

	buf[0] = '\0';
	append(buf, "", r->path + (official ? strlen(OFFICIAL) : 0));
	append(buf, ":", r->tag);
	append(buf, "@", r->digest);
	return buf;
}
