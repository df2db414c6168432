/* SPDX-License-Identifier: MIT */
/*
 * Origins and the rules between them; see origin.h.
 */
#include "origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/num.h"

#define HUB_DOMAIN   "docker.io"
#define HUB_REGISTRY "registry-1.docker.io"

static void curl_url_freep(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* Copies a part that must be there. */
static bool part(CURLU *u, CURLUPart what, unsigned int flags, char *ret, size_t max)
{
	char *text = NULL;
	bool ok = curl_url_get(u, what, &text, flags) == CURLUE_OK && strlen(text) < max;

	if (ok)
		strcpy(ret, text);
	curl_free(text);
	return ok;
}

static bool has_part(CURLU *u, CURLUPart what)
{
	char *text = NULL;
	bool has = curl_url_get(u, what, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

int origin_of_url(const char *url, struct origin *ret, struct err *e)
{
	_cleanup_(curl_url_freep) CURLU *u = curl_url();
	char scheme[16], port[8];
	struct origin o = {0};
	uint32_t number;

	if (!u)
		return err_set(e, ENOMEM, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
		!part(u, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)))
		return err_set(e, EINVAL, "not a URL");
	if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		return err_set(e, EPERM, "neither http nor https");
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return err_set(e, EPERM, "a URL with a user name in it");
	if (!part(u, CURLUPART_HOST, 0, o.host, sizeof(o.host)) || !o.host[0] ||
		!part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) ||
		num_parse_u32(port, 1, UINT16_MAX, &number) < 0)
		return err_set(e, EINVAL, "a URL without a host");
	for (char *p = o.host; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	o.tls = strcmp(scheme, "https") == 0;
	o.port = (uint16_t)number;
	*ret = o;
	return 0;
}

int origin_of_domain(const char *domain, bool tls, struct origin *ret, struct err *e)
{
	char url[ORIGIN_TEXT_MAX];
	int n;

	if (strcmp(domain, HUB_DOMAIN) == 0)
		domain = HUB_REGISTRY;
	n = snprintf(url, sizeof(url), "%s://%s/", tls ? "https" : "http", domain);
	if (n < 0 || (size_t)n >= sizeof(url))
		return err_set(e, EINVAL, "the registry's name is too long");
	return origin_of_url(url, ret, e);
}

bool origin_equal(const struct origin *a, const struct origin *b)
{
	return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}

const char *origin_text(const struct origin *o, char buf[ORIGIN_TEXT_MAX])
{
	snprintf(buf, ORIGIN_TEXT_MAX, "%s://%s:%u", o->tls ? "https" : "http", o->host, o->port);
	return buf;
}

bool origin_is_loopback(const struct origin *o)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, o->host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return strcmp(o->host, "[::1]") == 0 || strcmp(o->host, "localhost") == 0;
}

bool origin_may_be_plain(const struct origin *o, const char *const *insecure)
{
	char full[ORIGIN_TEXT_MAX];

	if (origin_is_loopback(o))
		return true;
	snprintf(full, sizeof(full), "%s:%u", o->host, o->port);
	for (; insecure && *insecure; insecure++)
		if (strcasecmp(*insecure, o->host) == 0 || strcasecmp(*insecure, full) == 0)
			return true;
	return false;
}

int origin_check_step(const struct origin *from, const struct origin *to,
	const char *const *insecure, struct err *e)
{
	if (to->tls)
		return 0;
	if (from->tls)
		return err_set(e, EPERM, "from https to plain http");
	if (!origin_may_be_plain(to, insecure))
		return err_set(e, EPERM, "to plain http on a host that is not this one");
	return 0;
}
