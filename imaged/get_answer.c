/* SPDX-License-Identifier: MIT */
/*
 * What a get makes of an answer, or of none: done, redirect, authenticate, try again, give up.
 */
#include "registry_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "headers.h"

#define REDIRECTS_MAX	 5
#define TRIES_MAX	 6 /* the first, and five again, */
#define TRIES_MAX_NEW	 3 /* of one whom nobody has heard yet */
#define TRIES_MAX_MIRROR 2
#define COMES_ON	 (64 << 10) /* after so many bytes they are counted anew */
#define BACKOFF_MS	 250	    /* doubles */
#define RETRY_AFTER_MAX	 60	    /* seconds */
#define PAUSES_MAX_MS	 90000	    /* less than imaged's patience with a layer (pull_layer.c) */

static void fail(struct get *g, int code, const char *words)
{
	struct err e;

	get_sentence(g, code, words, &e);
	get_finish(g, &e);
}

/* ---- again ---- */

static void on_pause_over(void *arg)
{
	struct get *g = arg;

	watch_free(g->pause);
	g->pause = NULL;
	get_aim(g);
}

static uint64_t some_of(uint64_t most)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		return most;
	return random % (most + 1);
}

/* From the registry again, not from where it redirected to: such addresses run out. */
static void try_again(struct get *g, int code, const char *words, uint64_t ms)
{
	struct err e;

	if (g->received - g->began_at >= COMES_ON) {
		g->tries = 1;
		g->pauses_ms = 0;
	}
	if (g->tries >= (g->place->mirror ? TRIES_MAX_MIRROR : TRIES_MAX) ||
		g->pauses_ms + ms > PAUSES_MAX_MS || get_is_late(g)) {
		fail(g, code, words);
		return;
	}
	get_sentence(g, code, words, &e);
	log_info("%s; trying again in %lu ms", e.text, ms);
	g->tries++;
	g->pauses_ms += ms;
	g->progress = false;
	g->auth_tries = 0;
	g->pause = loop_timer(g->session->setup->loop, ms, on_pause_over, g);
	if (!g->pause)
		fail(g, ENOMEM, "out of memory");
}

/* Many that were turned away together don't come back together. */
static uint64_t backoff(const struct get *g)
{
	uint64_t ms = (uint64_t)BACKOFF_MS << (g->tries - 1);

	return ms - ms / 4 + some_of(ms / 2);
}

/* The server is there, and can't now: it may say when it can. */
static void on_later(struct get *g, const char *words)
{
	const char *after = http_header(g->call, "Retry-After", 0);
	char long_words[128];
	uint64_t seconds;

	if (!after || !headers_retry_after(after, time(NULL), &seconds)) {
		try_again(g, EBUSY, words, backoff(g));
	} else if (seconds > (g->place->mirror ? 0 : RETRY_AFTER_MAX)) {
		snprintf(long_words, sizeof(long_words), "%s; it says to come back in %lu seconds",
			words, seconds);
		fail(g, EBUSY, long_words);
	} else {
		try_again(g, EBUSY, words, MAX(seconds * 1000, BACKOFF_MS) + some_of(BACKOFF_MS));
	}
}

/* ---- no answer ---- */

/* https was tried where plain http may be meant. */
static bool fall_back_to_plain(struct get *g, enum http_trouble trouble)
{
	struct place *p = g->place;
	struct origin plain;

	if (!p->may_be_plain || !p->origin.tls || !origin_equal(&g->at, &p->origin))
		return false;
	if (origin_of_domain(p->domain, false, &plain, NULL) < 0)
		return false;
	if (trouble != HTTP_NO_TLS && (trouble != HTTP_NO_CONNECT || plain.port == p->origin.port))
		return false;
	log_debug("registry %s: no TLS there, going on in plain http", p->domain);
	p->origin = plain;
	get_aim(g);
	return true;
}

static void on_untrusted(struct get *g, const char *why)
{
	const char *domain = g->place->domain;
	struct err e;

	err_set(&e, EACCES,
		"registry %s: TLS certificate of %.60s not trusted: %.90s; is its CA in %.40s/%s/?",
		domain, g->at.host, why, g->session->setup->certs_dir, domain);
	get_finish(g, &e);
}

static bool may_try_again(const struct get *g, enum http_trouble trouble)
{
	switch (trouble) {
	case HTTP_BROKEN:
		return true;
	case HTTP_STALLED: /* twice for nothing is enough */
		return g->progress || g->tries == 1;
	case HTTP_NO_CONNECT:
		return g->place->answered || (!g->place->mirror && g->tries < TRIES_MAX_NEW);
	case HTTP_NO_TLS:
		return g->place->answered;
	case HTTP_UNTRUSTED:
	case HTTP_REFUSED:
		return false;
	}
	return false;
}

static int code_of(enum http_trouble trouble)
{
	switch (trouble) {
	case HTTP_NO_CONNECT:
		return ECONNREFUSED;
	case HTTP_STALLED:
		return ETIMEDOUT;
	case HTTP_BROKEN:
		return ECONNABORTED;
	case HTTP_NO_TLS:
	case HTTP_UNTRUSTED:
	case HTTP_REFUSED:
		return EPROTO;
	}
	return EPROTO;
}

static void on_failure(struct get *g, const struct http_failure *failure)
{
	enum http_trouble trouble = failure->trouble;

	if (trouble == HTTP_STALLED && get_is_late(g))
		fail(g, ETIMEDOUT, "too slow to ever come to an end");
	else if (g->refusal.code)
		get_finish(g, &g->refusal);
	else if (fall_back_to_plain(g, trouble))
		return;
	else if (trouble == HTTP_UNTRUSTED)
		on_untrusted(g, failure->text);
	else if (may_try_again(g, trouble))
		try_again(g, code_of(trouble), failure->text, backoff(g));
	else
		fail(g, code_of(trouble), failure->text);
}

/* ---- an answer ---- */

static void on_redirect(struct get *g)
{
	const char *to = http_redirect(g->call);
	struct origin from = g->at;
	char words[ERR_TEXT_MAX];
	struct err e;
	int r;

	if (!to) {
		fail(g, EPROTO, "redirects to nowhere");
		return;
	}
	if (g->redirects++ >= REDIRECTS_MAX) {
		fail(g, ELOOP, "redirects without end");
		return;
	}
	r = get_set_url(g, to, &e);
	if (r == 0)
		r = origin_check_step(&from, &g->at, g->session->setup->insecure, &e);
	if (r == 0) {
		get_ask(g);
		return;
	}
	snprintf(words, sizeof(words), "refused to follow a redirect: %.150s", e.text);
	g->at = from;
	fail(g, -r, words);
}

static void on_missing(struct get *g)
{
	struct err e;

	err_set(&e, ENOENT, "not found on %s", g->place->domain);
	get_finish(g, &e);
}

static void ask_for_all(struct get *g)
{
	g->no_ranges = true;
	get_aim(g);
}

static void on_refused_status(struct get *g, unsigned int status)
{
	char words[64];

	snprintf(words, sizeof(words), "answers %u", status);
	if (status == 429)
		on_later(g, "too many requests");
	else if (status == 408 || status >= 500)
		on_later(g, words);
	else if (status == 416 && g->received > 0 && !g->no_ranges)
		ask_for_all(g);
	else if (status == 403)
		fail(g, EACCES, "access denied");
	else
		fail(g, EPROTO, words);
}

void get_on_answer(void *arg, const struct http_failure *failure)
{
	struct get *g = arg;
	unsigned int status = http_status(g->call);
	bool token = g->phase == GET_TOKEN;

	g->live = false;
	if (failure && !(g->q.on_data && g->received == g->q.size && !g->refusal.code)) {
		on_failure(g, failure);
		return;
	}
	g->place->may_be_plain = false;
	g->place->answered = true;
	if (!token && status < 400)
		g->auth_tries = 0;
	if (status >= 300 && status < 400 && status != 304)
		on_redirect(g);
	else if (token && (status < 400 || status == 401 || status == 403))
		get_on_token(g);
	else if (status == 401)
		get_on_unauthorized(g);
	else if (status == 404 && !token)
		on_missing(g);
	else if (status == 200 || status == 206)
		get_finish(g, NULL);
	else
		on_refused_status(g, status);
}
