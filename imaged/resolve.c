/* SPDX-License-Identifier: MIT */
/*
 * The steps of resolving; see resolve.h. What is asked for by digest must have it; what is asked
 * for by tag must have the digest that the registry announces.
 */
#include "resolve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sha256.h"

#define INDEX_DEPTH_MAX 2 /* an index in an index is allowed by OCI, and rare */

struct resolve {
	struct session *session;
	struct get *get; /* the one under way */
	struct platform want;
	unsigned int depth; /* indexes gone through */
	/* What the current manifest must be; no digest when asked by tag. */
	struct descriptor asked;
	char digest[DIGEST_TEXT_MAX]; /* of the first manifest: what the reference means now */
	struct manifest manifest;
	struct arena arena;
	resolved_fn fn;
	void *arg;
};

static void resolve_free(struct resolve *v)
{
	arena_free(&v->arena);
	free(v);
}

static const char *image_name(const struct resolve *v, char buf[REFERENCE_TEXT_MAX])
{
	return reference_short(session_reference(v->session), buf);
}

static void give_up(struct resolve *v, const struct err *why)
{
	v->fn(v->arg, NULL, why);
	resolve_free(v);
}

/* The image is to blame, not the way to it: say which. */
static void blame_image(struct resolve *v, struct err *why)
{
	char name[REFERENCE_TEXT_MAX];

	err_prefix(why, "image \"%.100s\"", image_name(v, name));
	give_up(v, why);
}

static void get_failed(struct resolve *v, const struct err *why, bool first)
{
	const struct reference *ref = session_reference(v->session);
	char name[REFERENCE_TEXT_MAX];
	struct err e = *why;

	if (e.code != ENOENT) {
		give_up(v, &e);
	} else if (first) {
		err_set(&e, ENOENT, "image \"%.140s\" not found on %s", image_name(v, name),
			ref->domain);
		give_up(v, &e);
	} else {
		err_set(&e, ENOENT, "a part of it is missing on %s", ref->domain);
		blame_image(v, &e);
	}
}

static int check_digest(const char *what, const char *buf, size_t n, const struct descriptor *want,
	char ret_digest[DIGEST_TEXT_MAX], struct err *e)
{
	if (sha256_of(buf, n, ret_digest) < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (want->digest[0] && strcmp(want->digest, ret_digest) != 0)
		return err_set(e, EBADMSG, "digest mismatch of %s: got %s", what, ret_digest);
	if (want->size && want->size != n)
		return err_set(e, EBADMSG, "%s has %zu bytes, its descriptor says %lu", what, n,
			want->size);
	return 0;
}

static int ask_first(struct resolve *v, struct err *e);

/* What a mirror has said is no reason to give up; with it goes all that it has said before. */
static void blame(struct resolve *v, struct get *g, struct err *why)
{
	if (!get_distrust(g))
		blame_image(v, why);
	else if (ask_first(v, why) < 0)
		give_up(v, why);
}

/* ---- the config ---- */

static int take_config(struct resolve *v, const struct get *g, struct image *ret, struct err *e)
{
	const struct reference *ref = session_reference(v->session);
	char digest[DIGEST_TEXT_MAX], full[REFERENCE_TEXT_MAX];
	const char *buf;
	size_t n;
	int r;

	buf = get_body(g, &n);
	r = check_digest("the config", buf, n, &v->manifest.next, digest, e);
	if (r == 0)
		r = manifest_read_config(buf, n, &v->manifest, &v->want, &v->arena, ret, e);
	if (r < 0)
		return r;
	ret->digest = v->digest;
	ret->refs.v = arena_alloc(&v->arena, sizeof(*ret->refs.v));
	if (!ret->refs.v ||
		!(ret->refs.v[0] = arena_strdup(&v->arena, reference_format(ref, full))))
		return err_set(e, ENOMEM, "out of memory");
	ret->refs.n = 1;
	return 0;
}

static void on_config(void *arg, struct get *g, const struct err *failure)
{
	struct resolve *v = arg;
	struct image image;
	struct err e;

	if (failure) {
		get_failed(v, failure, false);
	} else if (take_config(v, g, &image, &e) < 0) {
		blame(v, g, &e);
	} else {
		v->fn(v->arg, &image, NULL);
		resolve_free(v);
	}
}

/* ---- the manifest ---- */

static void on_manifest(void *arg, struct get *g, const struct err *failure);

static int ask_manifest(struct resolve *v, const char *name, struct err *e)
{
	char path[sizeof("manifests/") + REFERENCE_TAG_MAX];
	struct get_request q = {.path = path,
		.accept = manifest_accept,
		.max_body = MANIFEST_MAX,
		.on_done = on_manifest,
		.arg = v};

	snprintf(path, sizeof(path), "manifests/%s", name);
	v->get = get_start(v->session, &q, e);
	return v->get ? 0 : -e->code;
}

static int ask_config(struct resolve *v, struct err *e)
{
	char path[sizeof("blobs/") + DIGEST_TEXT_MAX];
	struct get_request q = {
		.path = path, .max_body = CONFIG_MAX, .on_done = on_config, .arg = v};

	snprintf(path, sizeof(path), "blobs/%s", v->manifest.next.digest);
	v->get = get_start(v->session, &q, e);
	return v->get ? 0 : -e->code;
}

/* The type that an index gives an entry must be the one it is served with. */
static int check_type(const struct resolve *v, const char *content_type, struct err *e)
{
	size_t n = strlen(v->asked.media_type);

	if (n == 0 || (content_type && strncasecmp(content_type, v->asked.media_type, n) == 0 &&
			      strchr("; \t", content_type[n])))
		return 0;
	return err_set(e, EBADMSG,
		"the index calls its manifest %.60s, the registry calls it %.60s",
		v->asked.media_type, content_type ? content_type : "nothing");
}

static int take_manifest(struct resolve *v, const struct get *g, struct err *e)
{
	const char *announced = get_header(g, "Docker-Content-Digest"), *buf, *type;
	char digest[DIGEST_TEXT_MAX];
	size_t n;
	int r;

	buf = get_body(g, &n);
	type = get_header(g, "Content-Type");
	r = check_digest("the manifest", buf, n, &v->asked, digest, e);
	if (r == 0)
		r = check_type(v, type, e);
	if (r < 0)
		return r;
	if (announced && strcmp(announced, digest) != 0)
		return err_set(e, EBADMSG, "digest mismatch of the manifest: got %s", digest);
	if (!v->digest[0])
		digest_copy(v->digest, digest);
	r = manifest_read(buf, n, type, &v->want, &v->manifest, e);
	if (r < 0 || v->manifest.kind == MANIFEST_IMAGE)
		return r;
	if (++v->depth > INDEX_DEPTH_MAX)
		return err_set(e, ELOOP, "indexes within indexes, deeper than %d", INDEX_DEPTH_MAX);
	v->asked = v->manifest.next;
	return 0;
}

static void on_manifest(void *arg, struct get *g, const struct err *failure)
{
	struct resolve *v = arg;
	struct err e = {0};
	int r;

	if (failure) {
		get_failed(v, failure, v->depth == 0);
		return;
	}
	if (take_manifest(v, g, &e) < 0) {
		blame(v, g, &e);
		return;
	}
	r = v->manifest.kind == MANIFEST_IMAGE ? ask_config(v, &e)
					       : ask_manifest(v, v->asked.digest, &e);
	if (r < 0)
		give_up(v, &e);
}

static int ask_first(struct resolve *v, struct err *e)
{
	const struct reference *ref = session_reference(v->session);

	v->depth = 0;
	v->asked = (struct descriptor){0};
	v->digest[0] = '\0';
	digest_copy(v->asked.digest, ref->digest);
	return ask_manifest(v, ref->digest[0] ? ref->digest : ref->tag, e);
}

struct resolve *resolve_start(
	struct session *s, const struct platform *want, resolved_fn fn, void *arg, struct err *e)
{
	struct resolve *v = calloc(1, sizeof(*v));

	if (!v) {
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	v->session = s;
	v->want = *want;
	v->fn = fn;
	v->arg = arg;
	if (ask_first(v, e) == 0)
		return v;
	resolve_free(v);
	return NULL;
}

void resolve_cancel(struct resolve *v)
{
	if (!v)
		return;
	get_cancel(v->get);
	resolve_free(v);
}
