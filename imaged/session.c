/* SPDX-License-Identifier: MIT */
/*
 * Sessions: what is known about a registry while one image is pulled. Holds secrets, and wipes
 * them.
 */
#include "registry_impl.h"

#include <errno.h>
#include <string.h>

#include "certs.h"

static int copy_secret(const char *text, char **ret, struct err *e)
{
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int set_up(struct session *s, const char *user, const char *password, struct err *e)
{
	int r = origin_of_domain(s->ref.domain, true, &s->origin, e);

	if (r == 0)
		r = certs_load(s->setup->certs_dir, s->ref.domain, &s->tls, e);
	if (r < 0)
		return err_prefix(e, "registry %s", s->ref.domain);
	s->tls_elsewhere.ca = s->tls.ca;
	s->may_be_plain = origin_may_be_plain(&s->origin, s->setup->insecure);
	if (!user || !*user)
		return 0;
	if (strchr(user, ':'))
		return err_set(e, EINVAL, "a user name can't hold a colon");
	r = copy_secret(user, &s->user, e);
	return r < 0 ? r : copy_secret(password ? password : "", &s->password, e);
}

struct session *session_new(const struct registry_setup *setup, const struct reference *ref,
	const char *user, const char *password, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	s->setup = setup;
	s->ref = *ref;
	if (set_up(s, user, password, e) == 0)
		return s;
	session_free(s);
	return NULL;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	while (s->gets)
		get_cancel(s->gets);
	auth_free(&s->user);
	auth_free(&s->password);
	auth_free(&s->authorization);
	http_tls_clear(&s->tls);
	free(s);
}

const struct reference *session_reference(const struct session *s)
{
	return &s->ref;
}
