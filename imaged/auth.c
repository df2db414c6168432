/* SPDX-License-Identifier: MIT */
/*
 * Challenges, Basic and bearer tokens; see auth.h. The challenge comes from any server and is
 * trusted in nothing: where a realm may point is checked by who asks there (registry.c).
 */
#include "auth.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <openssl/evp.h>

#include "json.h"

#define TOKEN_MAX 32768

void auth_free(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

/* ---- challenges ---- */

#define TOKEN_CHARS "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Copies a token or quoted string; false when it is malformed or does not fit. */
static bool read_value(const char **p, char *ret, size_t max)
{
	size_t n = 0;

	if (**p != '"') {
		n = strspn(*p, TOKEN_CHARS "/=:");
		if (n == 0 || n >= max)
			return false;
		memcpy(ret, *p, n);
		ret[n] = '\0';
		*p += n;
		return true;
	}
	for (++*p; **p && **p != '"'; ++*p) {
		if (**p == '\\' && (*p)[1])
			++*p;
		if (n + 1 >= max)
			return false;
		ret[n++] = **p;
	}
	ret[n] = '\0';
	if (**p != '"')
		return false;
	++*p;
	return true;
}

static enum auth_scheme scheme_of(const char *p, size_t n)
{
	if (n == 6 && strncasecmp(p, "Bearer", 6) == 0)
		return AUTH_BEARER;
	if (n == 5 && strncasecmp(p, "Basic", 5) == 0)
		return AUTH_BASIC;
	return AUTH_NONE;
}

static void take_better(const struct challenge *c, struct challenge *best)
{
	if (c->scheme == AUTH_BEARER && !c->realm[0])
		return;
	if (c->scheme > best->scheme)
		*best = *c;
}

/* name=value, with the name already seen at p. */
static bool read_param(const char **p, size_t name_len, struct challenge *c)
{
	char value[sizeof(c->realm)];
	const char *name = *p;

	*p += name_len;
	*p += strspn(*p, " \t");
	++*p; /* the = */
	*p += strspn(*p, " \t");
	if (!read_value(p, value, sizeof(value)))
		return false;
	if (name_len == 5 && strncasecmp(name, "realm", 5) == 0)
		strcpy(c->realm, value);
	if (name_len == 7 && strncasecmp(name, "service", 7) == 0 &&
		strlen(value) < sizeof(c->service))
		strcpy(c->service, value);
	return true;
}

/* A word followed by = is a parameter of the scheme before it; any other word is the next scheme.
 */
void challenge_read(const char *header, struct challenge *best)
{
	struct challenge now = {0};
	const char *p = header;
	size_t n, gap;

	for (;;) {
		p += strspn(p, " \t,");
		n = strspn(p, TOKEN_CHARS);
		if (n == 0)
			break;
		gap = strspn(p + n, " \t");
		if (p[n + gap] == '=') {
			if (!read_param(&p, n, &now))
				return;
			continue;
		}
		take_better(&now, best);
		now = (struct challenge){.scheme = scheme_of(p, n)};
		p += n;
	}
	if (!*p)
		take_better(&now, best);
}

/* ---- what is sent ---- */

int auth_basic(const char *user, const char *password, char **ret, struct err *e)
{
	char *plain = NULL, *out = NULL;
	int n, r = 0;

	if (strchr(user, ':'))
		return err_set(e, EINVAL, "a user name can't hold a colon");
	n = asprintf(&plain, "%s:%s", user, password);
	if (n < 0)
		return err_set(e, ENOMEM, "out of memory");
	out = malloc(sizeof("Basic ") + (size_t)(n + 2) / 3 * 4);
	if (out) {
		strcpy(out, "Basic ");
		EVP_EncodeBlock((unsigned char *)out + strlen(out), (unsigned char *)plain, n);
		*ret = out;
	} else {
		r = err_set(e, ENOMEM, "out of memory");
	}
	auth_free(&plain);
	return r;
}

static bool add_query(CURLU *u, const char *name, const char *value)
{
	_cleanup_free_ char *pair = NULL;

	if (!*value)
		return true;
	return asprintf(&pair, "%s=%s", name, value) >= 0 &&
	       curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) ==
		       CURLUE_OK;
}

int auth_token_url(const struct challenge *c, const char *scope, char **ret, struct err *e)
{
	CURLU *u = curl_url();
	char *url = NULL;
	int r = 0;

	if (!u || curl_url_set(u, CURLUPART_URL, c->realm, 0) != CURLUE_OK ||
		!add_query(u, "service", c->service) || !add_query(u, "scope", scope) ||
		curl_url_get(u, CURLUPART_URL, &url, 0) != CURLUE_OK)
		r = err_set(e, EBADMSG, "the token server it names is not a URL");
	else if (!(*ret = strdup(url)))
		r = err_set(e, ENOMEM, "out of memory");
	curl_free(url);
	curl_url_cleanup(u);
	return r;
}

/* b64token of RFC 6750, 2.1: nothing that could end the header. */
static bool token_ok(const char *t)
{
	static const char chars[] =
		"-._~+/=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = strspn(t, chars);

	return n > 0 && n <= TOKEN_MAX && t[n] == '\0';
}

int auth_token_read(const char *json, size_t n, char **ret, struct err *e)
{
	_cleanup_json_ json_t *root = json_read("the token server's answer", json, n, e);
	const char *token, *access;

	if (!root)
		return -EBADMSG;
	if (json_get_string(root, "token", &token, e) < 0 ||
		json_get_string(root, "access_token", &access, e) < 0)
		return err_prefix(e, "the token server's answer");
	token = token && *token ? token : access;
	if (!token || !token_ok(token))
		return err_set(e, EBADMSG, "the token server gave no usable token");
	if (asprintf(ret, "Bearer %s", token) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}
