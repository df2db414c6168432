/* SPDX-License-Identifier: MIT */
/*
 * How a get answers "401": by Basic, or by a token from the server that the registry names. The
 * challenge is the registry's word alone; secrets go only where registry.h says.
 */
#include "registry_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUTH_TRIES_MAX 2

static void refuse(struct get *g, const struct err *why)
{
	get_finish(g, why);
}

static void read_challenges(struct get *g, struct challenge *c)
{
	const char *header;

	*c = (struct challenge){0};
	for (size_t i = 0; (header = http_header(g->call, "WWW-Authenticate", i)); i++)
		challenge_read(header, c);
}

/* Both sides have said what they have to say, and it did not help. */
static void denied(struct get *g, enum auth_scheme scheme)
{
	const struct session *s = g->session;
	char name[REFERENCE_TEXT_MAX];
	struct err e;

	if (!get_user(g))
		err_set(&e, EACCES,
			"registry %s: authentication required, or there is no image \"%.100s\"",
			g->place->domain, reference_short(&s->ref, name));
	else if (scheme == AUTH_BASIC)
		err_set(&e, EACCES, "registry %s: user name or password refused", g->place->domain);
	else
		err_set(&e, EACCES, "registry %s: access to %.100s denied", g->place->domain,
			s->ref.path);
	refuse(g, &e);
}

static void take_authorization(struct get *g, char *value)
{
	auth_free(&g->place->authorization);
	g->place->authorization = value;
	g->place->renewed++;
	get_aim(g);
}

static void use_basic(struct get *g)
{
	struct session *s = g->session;
	char *value = NULL;
	struct err e;

	if (!get_user(g)) {
		err_set(&e, EACCES, "registry %s: authentication required", g->place->domain);
		refuse(g, &e);
	} else if (auth_basic(get_user(g), s->password, &value, &e) < 0) {
		refuse(g, &e);
	} else {
		take_authorization(g, value);
	}
}

/* The scope is ours and not the challenge's: to read this repository, nothing else. */
static int aim_at_token(struct get *g, const struct challenge *c, struct err *e)
{
	const struct session *s = g->session;
	char scope[sizeof("repository::pull") + 2 * REFERENCE_NAME_MAX];
	_cleanup_free_ char *url = NULL;
	int r;

	snprintf(scope, sizeof(scope), "repository:%s%s:pull", g->place->prefix, s->ref.path);
	r = auth_token_url(c, scope, &url, e);
	if (r == 0)
		r = get_set_url(g, url, e);
	if (r == 0)
		r = origin_check_step(&g->place->origin, &g->at, s->setup->insecure, e);
	if (r < 0)
		return err_prefix(e, "registry %s: its token server", g->place->domain);
	g->token_origin = g->at;
	g->phase = GET_TOKEN;
	g->redirects = 0;
	return 0;
}

void get_on_unauthorized(struct get *g)
{
	struct challenge c;
	struct err e;

	read_challenges(g, &c);
	if (!origin_equal(&g->at, &g->place->origin) || c.scheme == AUTH_NONE) {
		err_set(&e, EACCES,
			"registry %s: authentication required, in no way that is known here",
			g->place->domain);
		refuse(g, &e);
	} else if (g->auth_tries++ >= AUTH_TRIES_MAX) {
		denied(g, c.scheme);
	} else if (g->used != g->place->renewed) {
		get_aim(g); /* another get has authenticated meanwhile */
	} else if (g->place->authorization && g->auth_tries > 1) {
		denied(g, c.scheme); /* what was sent is fresh */
	} else if (c.scheme == AUTH_BASIC) {
		use_basic(g);
	} else if (aim_at_token(g, &c, &e) < 0) {
		refuse(g, &e);
	} else {
		get_ask(g);
	}
}

void get_on_token(struct get *g)
{
	unsigned int status = http_status(g->call);
	char *value = NULL;
	struct err e;

	if (status == 200 && auth_token_read(g->body, g->body_len, &value, &e) == 0) {
		take_authorization(g, value);
		return;
	}
	if (status == 200)
		err_prefix(&e, "registry %s", g->place->domain);
	else if ((status == 401 || status == 403) && get_user(g))
		err_set(&e, EACCES, "registry %s: user name or password refused", g->place->domain);
	else if (status == 401 || status == 403)
		err_set(&e, EACCES, "registry %s: authentication required", g->place->domain);
	else
		err_set(&e, EPROTO, "registry %s: its token server answers %u", g->place->domain,
			status);
	refuse(g, &e);
}
