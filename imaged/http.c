/* SPDX-License-Identifier: MIT */
/*
 * One libcurl multi handle driven by the event loop: libcurl says which sockets and which timer it
 * wants watched. Runs in `imaged --fetch`; trusts nothing that a server says.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/log.h"

#define BUFFER_BYTES	524288L /* READBUFFER_MAX: the most that libcurl takes */
#define CONNECTIONS_MAX 64L
#define NEVER_MS	(1ULL << 32) /* libcurl shrugs at a timer that nobody asked for */

struct http {
	struct loop *loop;
	CURLM *multi;
	struct watch *timer;
	const struct http_setup *setup;
};

struct http_call {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	char range[32];
	size_t (*on_data)(void *arg, const char *p, size_t n);
	void (*on_done)(void *arg, const struct http_failure *failure);
	void *arg;
};

_Static_assert(HTTP_PAUSE == CURL_WRITEFUNC_PAUSE, "libcurl's word for a pause");
_Static_assert(HTTP_CHUNK_MAX == CURL_MAX_WRITE_SIZE, "libcurl's largest piece");

void http_tls_clear(struct http_tls *t)
{
	free(t->ca);
	free(t->cert);
	if (t->key)
		explicit_bzero(t->key, strlen(t->key));
	free(t->key);
	*t = (struct http_tls){0};
}

static void call_free(struct http_call *c)
{
	curl_easy_cleanup(c->easy);
	for (struct curl_slist *s = c->headers; s; s = s->next)
		explicit_bzero(s->data, strlen(s->data));
	curl_slist_free_all(c->headers);
	free(c);
}

/* ---- failures ---- */

static enum http_trouble trouble_of(CURLcode code)
{
	static const struct {
		CURLcode code;
		enum http_trouble trouble;
	} rows[] = {
		{CURLE_COULDNT_RESOLVE_HOST, HTTP_NO_CONNECT},
		{CURLE_COULDNT_RESOLVE_PROXY, HTTP_NO_CONNECT},
		{CURLE_COULDNT_CONNECT, HTTP_NO_CONNECT},
		{CURLE_SSL_CONNECT_ERROR, HTTP_NO_TLS},
		{CURLE_PEER_FAILED_VERIFICATION, HTTP_UNTRUSTED},
		{CURLE_SSL_ISSUER_ERROR, HTTP_UNTRUSTED},
		{CURLE_OPERATION_TIMEDOUT, HTTP_STALLED},
		{CURLE_PARTIAL_FILE, HTTP_BROKEN},
		{CURLE_GOT_NOTHING, HTTP_BROKEN},
		{CURLE_SEND_ERROR, HTTP_BROKEN},
		{CURLE_RECV_ERROR, HTTP_BROKEN},
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			return rows[i].trouble;
	return HTTP_REFUSED;
}

/* libcurl's words start with a capital and may quote a certificate's. */
static void clean(char *text)
{
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
	for (; *text; text++)
		if (*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static bool has_reached(struct http_call *c, CURLINFO milestone)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(c->easy, milestone, &us) == CURLE_OK && us > 0;
}

/* How far a call came that ran out of time. */
static const char *describe_timeout(struct http_call *c, struct http_failure *f)
{
	if (has_reached(c, CURLINFO_PRETRANSFER_TIME_T))
		return "stalled";
	f->trouble = has_reached(c, CURLINFO_CONNECT_TIME_T) ? HTTP_NO_TLS : HTTP_NO_CONNECT;
	return "no answer";
}

/* A proxy that opens no tunnel is to libcurl a connection that broke. */
static bool proxy_refused(struct http_call *c, struct http_failure *f)
{
	long status = 0;

	if (curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &status) != CURLE_OK ||
		status < 300)
		return false;
	f->trouble = HTTP_REFUSED;
	snprintf(f->text, sizeof(f->text), "the proxy answers %ld", status);
	return true;
}

static void describe(struct http_call *c, CURLcode code, struct http_failure *f)
{
	const char *words = c->error[0] ? c->error : curl_easy_strerror(code);
	long sys = 0;

	if (proxy_refused(c, f))
		return;
	f->trouble = trouble_of(code);
	if (f->trouble == HTTP_STALLED)
		words = describe_timeout(c, f);
	else if (code == CURLE_COULDNT_CONNECT &&
		 curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &sys) == CURLE_OK && sys > 0)
		words = strerrordesc_np((int)sys);
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		words = "its name can't be resolved";
	else if (f->trouble == HTTP_BROKEN)
		words = "connection broken off";
	snprintf(f->text, sizeof(f->text), "%.*s", (int)sizeof(f->text) - 1,
		words ? words : "failed");
	clean(f->text);
}

/* ---- the loop's side ---- */

static void finish(struct http *h, CURL *easy, CURLcode code)
{
	struct http_failure failure;
	struct http_call *c;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
	curl_multi_remove_handle(h->multi, easy);
	if (code != CURLE_OK)
		describe(c, code, &failure);
	c->on_done(c->arg, code != CURLE_OK ? &failure : NULL);
	call_free(c);
}

static void drain(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			finish(h, m->easy_handle, m->data.result);
}

static void act(struct http *h, curl_socket_t s, int what)
{
	int running;

	curl_multi_socket_action(h->multi, s, what, &running);
	drain(h);
}

static void on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* One watched socket. libcurl takes it away (CURL_POLL_REMOVE) before it closes the descriptor. */
struct http_socket {
	struct http *http;
	curl_socket_t fd;
	struct watch *watch;
};

static void on_socket(void *arg, int what)
{
	struct http_socket *s = arg;

	act(s->http, s->fd,
		(what & LOOP_READ ? CURL_CSELECT_IN : 0) |
			(what & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	int events =
		(what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
	struct http_socket *s = known;
	struct http *h = arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			watch_free(s->watch);
		free(s);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (s)
		return watch_change(s->watch, events) < 0 ? -1 : 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	*s = (struct http_socket){h, fd, loop_fd(h->loop, fd, events, on_socket, s)};
	if (!s->watch) {
		free(s);
		return -1;
	}
	curl_multi_assign(h->multi, fd, s);
	return 0;
}

static int want_timer(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	timer_again(h->timer, ms < 0 ? NEVER_MS : (uint64_t)ms);
	return 0;
}

struct http *http_new(struct loop *l, const struct http_setup *setup, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto fail;
	h->loop = l;
	h->setup = setup;
	h->timer = loop_timer(l, NEVER_MS, on_timer, h);
	h->multi = curl_multi_init();
	if (!h->multi || !h->timer)
		goto fail;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
	return h;
fail:
	http_free(h);
	err_set(e, ENOMEM, "the HTTP library can't be started");
	return NULL;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->multi)
		curl_multi_cleanup(h->multi);
	watch_free(h->timer);
	curl_global_cleanup();
	free(h);
}

/* ---- one call ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;

	return c->on_data(c->arg, p, size * n);
}

static int add_header(struct http_call *c, const char *name, const char *value)
{
	_cleanup_free_ char *line = NULL;
	struct curl_slist *more;
	int n;

	if (!value)
		return 0;
	n = asprintf(&line, "%s: %s", name, value);
	if (n < 0)
		return -ENOMEM;
	more = curl_slist_append(c->headers, line);
	explicit_bzero(line, (size_t)n);
	if (!more)
		return -ENOMEM;
	c->headers = more;
	return 0;
}

static CURLcode set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {.len = pem ? strlen(pem) : 0, .flags = CURL_BLOB_COPY};

	if (!pem)
		return CURLE_OK;
	blob.data = (void *)(uintptr_t)pem; /* curl_blob has no const; libcurl copies */
	return curl_easy_setopt(easy, option, &blob);
}

/* A CA given replaces libcurl's default bundle; the system's CAs stay trusted through its hashed
 * directory, which Debian's libcurl has as default too. */
static bool set_tls(struct http_call *c, const struct http_tls *t)
{
	return !t || (set_blob(c->easy, CURLOPT_CAINFO_BLOB, t->ca) == CURLE_OK &&
			     set_blob(c->easy, CURLOPT_SSLCERT_BLOB, t->cert) == CURLE_OK &&
			     set_blob(c->easy, CURLOPT_SSLKEY_BLOB, t->key) == CURLE_OK);
}

#define SET(option, value) (curl_easy_setopt(c->easy, option, value) == CURLE_OK)

/* Without its default bundle libcurl fails a connection before it has said a word; with no bundle
 * at all it trusts nobody, which is all that a missing one means. */
static bool set_system_cas(struct http_call *c)
{
	const char *bundle = NULL;

	return curl_easy_getinfo(c->easy, CURLINFO_CAINFO, &bundle) == CURLE_OK &&
	       (!bundle || access(bundle, R_OK) == 0 || SET(CURLOPT_CAINFO, NULL));
}

static bool set_limits(struct http_call *c, const struct http_request *q)
{
	return SET(CURLOPT_CONNECTTIMEOUT_MS, (long)q->connect_ms) &&
	       SET(CURLOPT_TIMEOUT_MS, (long)q->total_ms) &&
	       SET(CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOW) &&
	       SET(CURLOPT_LOW_SPEED_TIME, (long)c->http->setup->stall_seconds) &&
	       SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
}

static bool set_manners(struct http_call *c)
{
	const char *proxy = c->http->setup->proxy;

	return SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_NOSIGNAL, 1L) &&
	       SET(CURLOPT_FOLLOWLOCATION, 0L) &&
	       SET(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) &&
	       SET(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) && SET(CURLOPT_TCP_KEEPALIVE, 1L) &&
	       SET(CURLOPT_PROXY, proxy ? proxy : "") &&
	       SET(CURLOPT_NOPROXY, "localhost,127.0.0.0/8,::1") &&
	       SET(CURLOPT_USERAGENT, "bulkhead/" BULKHEAD_VERSION);
}

static bool set_up(struct http_call *c, const struct http_request *q)
{
	if (q->offset)
		snprintf(c->range, sizeof(c->range), "%lu-", q->offset);
	return SET(CURLOPT_URL, q->url) && SET(CURLOPT_PRIVATE, c) &&
	       SET(CURLOPT_ERRORBUFFER, c->error) && SET(CURLOPT_WRITEFUNCTION, on_body) &&
	       SET(CURLOPT_WRITEDATA, c) && SET(CURLOPT_RANGE, q->offset ? c->range : NULL) &&
	       add_header(c, "Accept", q->accept) == 0 &&
	       add_header(c, "Authorization", q->authorization) == 0 &&
	       SET(CURLOPT_HTTPHEADER, c->headers) && set_manners(c) && set_limits(c, q) &&
	       set_system_cas(c) && set_tls(c, q->tls);
}

struct http_call *http_start(struct http *h, const struct http_request *q, struct err *e)
{
	struct http_call *c = calloc(1, sizeof(*c));

	if (!c)
		goto fail;
	c->http = h;
	c->on_data = q->on_data;
	c->on_done = q->on_done;
	c->arg = q->arg;
	c->easy = curl_easy_init();
	if (!c->easy || !set_up(c, q) || curl_multi_add_handle(h->multi, c->easy) != CURLM_OK)
		goto fail;
	log_debug("GET %s%s%s%s", q->url, q->authorization ? " (with credentials)" : "",
		q->offset ? " from byte " : "", c->range);
	return c;
fail:
	if (c)
		call_free(c);
	err_set(e, ENOMEM, "a request can't be made");
	return NULL;
}

/* curl_easy_pause hands over what it kept, and when that is refused returns the error and does
 * nothing else. */
void http_resume(struct http_call *c)
{
	CURLcode code = curl_easy_pause(c->easy, CURLPAUSE_CONT);

	if (code != CURLE_OK)
		finish(c->http, c->easy, code);
}

void http_cancel(struct http_call *c)
{
	if (!c)
		return;
	curl_multi_remove_handle(c->http->multi, c->easy);
	call_free(c);
}

unsigned int http_status(struct http_call *c)
{
	long status = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	return status > 0 ? (unsigned int)status : 0;
}

const char *http_header(struct http_call *c, const char *name, size_t index)
{
	struct curl_header *h;

	if (curl_easy_header(c->easy, name, index, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	return h->value;
}

const char *http_redirect(struct http_call *c)
{
	char *url = NULL;

	if (curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &url) != CURLE_OK)
		return NULL;
	return url;
}
