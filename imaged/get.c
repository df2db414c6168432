/* SPDX-License-Identifier: MIT */
/*
 * One thing asked of a registry, until it is there or can't be had; see registry.h. Every answer is
 * foreign: how often, how long and where to is bounded here.
 */
#include "registry_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "headers.h"

#define CONNECT_MS	   10000U
#define CONNECT_PROBE_MS   3000U  /* where plain http is the next thing to try */
#define DOCUMENT_MS	   100000 /* all tries together; imaged waits for a little longer */
#define MIRROR_DOCUMENT_MS 15000  /* of those 100 s one that is dead must not take many */
#define ERROR_BODY_MAX	   4096
#define TOKEN_BODY_MAX	   65536

/* ---- names in sentences ---- */

int get_sentence(const struct get *g, int code, const char *words, struct err *e)
{
	const struct place *p = g->place;
	const char *kind = p->mirror ? "mirror" : "registry";

	if (origin_equal(&g->at, &p->origin))
		return err_set(e, code, "%s %s: %s", kind, p->domain, words);
	return err_set(e, code, "%s %s: its %s %.80s: %s", kind, p->domain,
		g->phase == GET_TOKEN ? "token server" : "storage", g->at.host, words);
}

/* ---- life ---- */

static void unlink_get(struct get *g)
{
	for (struct get **p = &g->session->gets; *p; p = &(*p)->next) {
		if (*p != g)
			continue;
		*p = g->next;
		return;
	}
}

/* Out of its session's list already. */
static void get_free(struct get *g)
{
	watch_free(g->pause);
	if (g->body)
		explicit_bzero(g->body, g->body_len);
	free(g->body);
	free(g->path);
	free(g->url);
	free(g);
}

/* From the first place, or behind the one that has failed, to the next that is worth asking. */
static struct place *place_from(struct place *p)
{
	while (p->mirror && p->bad)
		p++;
	return p;
}

static uint64_t patience_ms(const struct get *g);

/* A mirror has failed: the next place is asked, from the byte that is missing. */
static bool go_on_elsewhere(struct get *g, const struct err *failure)
{
	if (!g->place->mirror || g->called_off)
		return false;
	log_info("%s; asking elsewhere", failure->text);
	g->place->bad |= failure->code != ENOENT;
	g->place = place_from(g->place + 1);
	g->tries = 1;
	g->pauses_ms = 0;
	g->auth_tries = 0;
	g->no_ranges = false;
	g->refusal.code = 0;
	g->deadline_ns = time_mono_ns() + patience_ms(g) * 1000000;
	get_aim(g);
	return true;
}

bool get_distrust(struct get *g)
{
	if (!g->place->mirror)
		return false;
	log_warn("mirror %s: what it gives is wrong; not asking it again", g->place->domain);
	g->place->bad = true;
	return true;
}

const char *get_user(const struct get *g)
{
	return g->place->mirror ? NULL : g->session->user;
}

void get_finish(struct get *g, const struct err *failure)
{
	if (failure && go_on_elsewhere(g, failure))
		return;
	unlink_get(g); /* on_done may free the session */
	g->q.on_done(g->q.arg, g, failure);
	get_free(g);
}

void get_cancel(struct get *g)
{
	if (!g)
		return;
	if (g->live)
		http_cancel(g->call);
	unlink_get(g);
	get_free(g);
}

void get_resume(struct get *g)
{
	if (g->live)
		http_resume(g->call);
}

const char *get_body(const struct get *g, size_t *ret_len)
{
	*ret_len = g->body_len;
	return g->body ? g->body : "";
}

const char *get_header(const struct get *g, const char *name)
{
	return http_header(g->call, name, 0);
}

/* ---- time ---- */

/* What the slowest of honest servers takes; one that only keeps up with the stall's limit doesn't.
 */
static uint64_t patience_ms(const struct get *g)
{
	return g->q.on_data ? g->session->setup->grace_seconds * 1000ULL +
				      g->q.size / (HTTP_SLOWEST / 1000)
	       : g->place->mirror ? MIRROR_DOCUMENT_MS
				  : DOCUMENT_MS;
}

static uint64_t left_ms(const struct get *g)
{
	uint64_t now = time_mono_ns();

	return g->deadline_ns > now ? (g->deadline_ns - now) / 1000000 : 0;
}

bool get_is_late(const struct get *g)
{
	return left_ms(g) == 0;
}

/* ---- asking ---- */

static size_t on_body(void *arg, const char *p, size_t n);

int get_set_url(struct get *g, const char *url, struct err *e)
{
	char *copy = strdup(url);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	free(g->url);
	g->url = copy;
	return origin_of_url(copy, &g->at, e);
}

/* Secrets for the origin that g->url is on, or NULL. *ret_made is to be freed. */
static int secrets_for(struct get *g, const char **ret, char **ret_made, struct err *e)
{
	const struct place *p = g->place;
	int r = 0;

	*ret = NULL;
	if (g->phase == GET_CONTENT && origin_equal(&g->at, &p->origin)) {
		*ret = p->authorization;
	} else if (g->phase == GET_TOKEN && get_user(g) && origin_equal(&g->at, &g->token_origin)) {
		r = auth_basic(get_user(g), g->session->password, ret_made, e);
		*ret = *ret_made;
	}
	return r;
}

/* On a machine that is busy to read the CAs alone may take longer than a probe has: the next has
 * twice as long. */
static unsigned int connect_ms(const struct get *g)
{
	if (!g->place->may_be_plain || !g->place->origin.tls)
		return CONNECT_MS;
	return MIN(CONNECT_PROBE_MS << MIN(g->tries - 1, 2U), CONNECT_MS);
}

static int start_call(struct get *g, struct err *e)
{
	const struct place *p = g->place;
	bool blob = g->phase == GET_CONTENT && g->q.on_data;
	bool home = origin_equal(&g->at, &p->origin);
	_cleanup_(auth_free) char *made = NULL;
	struct http_request q = {
		.url = g->url,
		.accept = g->phase == GET_CONTENT ? g->q.accept : NULL,
		.offset = blob && !g->no_ranges ? g->received : 0,
		.connect_ms = connect_ms(g),
		.total_ms = (unsigned int)MIN(MAX(left_ms(g), 1U), INT_MAX),
		.tls = home ? &p->tls : &p->tls_elsewhere,
		.on_data = on_body,
		.on_done = get_on_answer,
		.arg = g,
	};
	int r = secrets_for(g, &q.authorization, &made, e);

	if (r < 0)
		return r;
	g->used = p->renewed;
	g->began_at = g->received;
	g->started = false;
	g->skip = 0;
	g->body_len = 0;
	g->call = http_start(g->session->setup->http, &q, e);
	g->live = g->call;
	return g->call ? 0 : -ENOMEM;
}

void get_ask(struct get *g)
{
	struct err e;

	if (start_call(g, &e) < 0)
		get_finish(g, &e);
}

static int aim(struct get *g, struct err *e)
{
	const struct session *s = g->session;
	_cleanup_free_ char *url = NULL;
	char origin[ORIGIN_TEXT_MAX];

	if (asprintf(&url, "%s/v2/%s%s/%s", origin_text(&g->place->origin, origin),
		    g->place->prefix, s->ref.path, g->path) < 0)
		return err_set(e, ENOMEM, "out of memory");
	g->phase = GET_CONTENT;
	g->redirects = 0;
	return get_set_url(g, url, e);
}

void get_aim(struct get *g)
{
	struct err e;

	if (aim(g, &e) < 0)
		get_finish(g, &e);
	else
		get_ask(g);
}

struct get *get_start(struct session *s, const struct get_request *q, struct err *e)
{
	struct get *g = calloc(1, sizeof(*g));

	if (!g)
		goto fail;
	g->session = s;
	g->place = place_from(s->places);
	g->q = *q;
	g->received = q->from;
	g->tries = 1;
	g->deadline_ns = time_mono_ns() + patience_ms(g) * 1000000;
	g->next = s->gets;
	s->gets = g;
	g->path = strdup(q->path);
	if (!g->path)
		goto fail;
	if (aim(g, e) == 0 && start_call(g, e) == 0)
		return g;
	get_cancel(g);
	return NULL;
fail:
	get_cancel(g);
	err_set(e, ENOMEM, "out of memory");
	return NULL;
}

/* ---- bytes ---- */

static size_t refuse_body(struct get *g, int code, const char *words)
{
	get_sentence(g, code, words, &g->refusal);
	return HTTP_ABORT;
}

static size_t body_max(const struct get *g, bool good)
{
	if (g->phase == GET_TOKEN)
		return TOKEN_BODY_MAX;
	return good ? g->q.max_body : ERROR_BODY_MAX;
}

static size_t collect(struct get *g, const char *p, size_t n)
{
	bool good = http_status(g->call) == 200;
	size_t max = body_max(g, good);
	char words[64], *more;

	if (n > max - g->body_len && good) {
		snprintf(words, sizeof(words), "sends a document of more than %zu bytes", max);
		return refuse_body(g, EFBIG, words);
	}
	if (n > max - g->body_len)
		return n; /* nobody reads the rest of an error page */
	more = realloc(g->body, g->body_len + n);
	if (!more)
		return refuse_body(g, ENOMEM, "out of memory");
	memcpy(more + g->body_len, p, n);
	g->body = more;
	g->body_len += n;
	return n;
}

/* A server may ignore that a range was asked for, and send all (200). */
static int check_start(struct get *g)
{
	bool part = http_status(g->call) == 206;

	if (part && !headers_range_holds(
			    http_header(g->call, "Content-Range", 0), g->received, g->q.size))
		return -EPROTO;
	g->skip = part ? 0 : g->received;
	return 0;
}

static size_t stream(struct get *g, const char *p, size_t n)
{
	size_t drop, took;

	if (!g->started) {
		if (check_start(g) < 0)
			return refuse_body(
				g, EPROTO, "sends another part of the blob than was asked for");
		g->started = true;
	}
	drop = (size_t)MIN(g->skip, (uint64_t)n);
	if (drop == n) {
		g->skip -= drop;
		return n;
	}
	took = g->q.on_data(g->q.arg, p + drop, n - drop);
	g->called_off = took == HTTP_ABORT;
	if (took != n - drop)
		return took;
	g->skip -= drop;
	g->received += took;
	g->progress = true;
	return n;
}

static size_t on_body(void *arg, const char *p, size_t n)
{
	struct get *g = arg;
	unsigned int status = http_status(g->call);

	if (g->phase == GET_CONTENT && g->q.on_data && (status == 200 || status == 206))
		return stream(g, p, n);
	return collect(g, p, n);
}
