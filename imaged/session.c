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

static int add_place(struct session *s, const char *domain, const char *prefix, struct err *e)
{
	struct place *p = &s->places[s->n_places++];
	int r = origin_of_domain(domain, true, &p->origin, e);

	p->domain = domain;
	p->prefix = prefix;
	if (r == 0)
		r = certs_load(s->setup->certs_dir, domain, &p->tls, e);
	if (r < 0)
		return err_prefix(e, "registry %s", domain);
	p->tls_elsewhere.ca = p->tls.ca;
	p->may_be_plain = origin_may_be_plain(&p->origin, s->setup->insecure);
	return 0;
}

static int add_places(struct session *s, struct err *e)
{
	for (unsigned int i = 0; i < s->setup->n_mirrors && s->n_places < MIRRORS_MAX; i++) {
		const struct mirror *m = &s->setup->mirrors[i];
		int r;

		if (strcmp(m->registry, s->ref.domain) != 0)
			continue;
		r = add_place(s, m->domain, m->prefix, e);
		if (r < 0)
			return r;
		s->places[s->n_places - 1].mirror = true;
	}
	return add_place(s, s->ref.domain, "", e);
}

static int set_up(struct session *s, const char *user, const char *password, struct err *e)
{
	int r = add_places(s, e);

	if (r < 0 || !user || !*user)
		return r;
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
	for (unsigned int i = 0; i < s->n_places; i++) {
		auth_free(&s->places[i].authorization);
		http_tls_clear(&s->places[i].tls);
	}
	free(s);
}

const struct reference *session_reference(const struct session *s)
{
	return &s->ref;
}
