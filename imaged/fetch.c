/* SPDX-License-Identifier: MIT */
/*
 * `imaged --fetch`: the registry client, alone in its process. Owns sessions and the transfers in
 * them; trusts the mounter on the other end of its channel to say what to fetch, and no byte from
 * the network.
 */
#include "imaged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/sandbox.h"
#include "blob.h"
#include "daemon.h"
#include "resolve.h"

#define SESSIONS_MAX	  64
#define RESOLVES_MAX	  12 /* each may hold one document in memory; of a debug run's pulls */
#define BLOBS_MAX	  32
#define INSECURE_MAX	  64
#define MIRRORS_ALL_MAX	  32
#define DEFAULT_CERTS_DIR "/etc/bulkhead/certs.d"
#define STALL_SECONDS	  "30"
#define GRACE_SECONDS	  "1800"

struct fetch {
	struct registry_setup registry;
	struct entry *entries;
	uint32_t last_session;
	unsigned int n_entries, n_resolves, n_blobs;
};

/* A session and what goes on in it. */
struct entry {
	struct fetch *fetch;
	struct entry *next;
	uint32_t id;
	struct session *session;
	struct job *jobs;
};

/* A request that waits for its answer. */
struct job {
	struct entry *entry;
	struct job *next;
	struct chan *chan;
	uint32_t id;
	struct resolve *resolve; /* or */
	struct blob *blob;
};

/* ---- sessions and jobs ---- */

static struct entry *entry_new(struct fetch *f, struct session *s)
{
	struct entry *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->fetch = f;
	n->session = s;
	n->id = ++f->last_session;
	n->next = f->entries;
	f->entries = n;
	f->n_entries++;
	return n;
}

static struct entry *entry_find(struct fetch *f, uint32_t id)
{
	for (struct entry *n = f->entries; n; n = n->next)
		if (n->id == id)
			return n;
	return NULL;
}

static struct job *job_new(struct entry *n, struct chan *c, uint32_t id)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->entry = n;
	j->chan = c;
	j->id = id;
	j->next = n->jobs;
	n->jobs = j;
	return j;
}

/* The transfer itself has ended or is cancelled here. */
static void job_free(struct job *j)
{
	struct fetch *f = j->entry->fetch;

	for (struct job **p = &j->entry->jobs; *p; p = &(*p)->next) {
		if (*p != j)
			continue;
		*p = j->next;
		break;
	}
	f->n_resolves -= j->resolve ? 1 : 0;
	f->n_blobs -= j->blob ? 1 : 0;
	free(j);
}

/* What still runs in it is answered with `why`; NULL: the one who asked is gone. */
static void entry_close(struct entry *n, const struct err *why)
{
	struct fetch *f = n->fetch;

	while (n->jobs) {
		struct job *j = n->jobs;

		resolve_cancel(j->resolve);
		blob_cancel(j->blob);
		if (why)
			chan_fail(j->chan, j->id, why);
		job_free(j);
	}
	for (struct entry **p = &f->entries; *p; p = &(*p)->next) {
		if (*p != n)
			continue;
		*p = n->next;
		break;
	}
	f->n_entries--;
	session_free(n->session);
	free(n);
}

/* ---- fetch_image ---- */

/* Replies, unless the image doesn't fit into a frame or its strings break a bound. */
static int reply_resolved(struct job *j, const struct image *image, struct err *e)
{
	struct image copy = *image;
	struct fetch_resolved m = {.image = &copy, .session = j->entry->id};
	struct frame_out frame;
	int r = frame_encode(MSG_fetch_resolved, j->id, &m, &frame, e);

	if (r < 0)
		return err_prefix(e, "image %.80s", image->refs.v[0]);
	free(frame.buf);
	chan_reply(j->chan, j->id, MSG_fetch_resolved, &m);
	return 0;
}

static void on_resolved(void *arg, const struct image *image, const struct err *failure)
{
	struct job *j = arg;
	struct entry *n = j->entry;
	struct err e;
	int r = -1;

	if (failure)
		e = *failure;
	else
		r = reply_resolved(j, image, &e);
	if (r < 0)
		chan_fail(j->chan, j->id, &e);
	job_free(j);
	if (r < 0)
		entry_close(n, NULL); /* it had this one job */
}

static int start_resolve(
	struct fetch *f, struct chan *c, uint32_t id, const struct fetch_image *m, struct err *e)
{
	struct platform want;
	struct reference ref;
	struct session *s;
	struct entry *n;
	struct job *j;
	int r = reference_parse(m->ref, &ref, e);

	if (r < 0)
		return r;
	platform_host(&want);
	if (m->platform && (r = platform_parse(m->platform, &want, e)) < 0)
		return r;
	if (f->n_entries >= SESSIONS_MAX || f->n_resolves >= RESOLVES_MAX)
		return err_set(e, EBUSY, "too many pulls at once");
	s = session_new(&f->registry, &ref, m->username, m->password, e);
	if (!s)
		return -e->code;
	n = entry_new(f, s);
	j = n ? job_new(n, c, id) : NULL;
	if (j && (j->resolve = resolve_start(s, &want, on_resolved, j, e))) {
		f->n_resolves++;
		return 0;
	}
	if (!j)
		err_set(e, ENOMEM, "out of memory");
	else
		job_free(j);
	if (n)
		entry_close(n, NULL);
	else
		session_free(s);
	return -e->code;
}

static void on_fetch_image(void *self, struct chan *c, uint32_t id, void *msg, struct frame *frame)
{
	struct err e;

	(void)frame;
	if (start_resolve(self, c, id, msg, &e) < 0)
		chan_fail(c, id, &e);
}

/* ---- fetch_blob ---- */

static void on_progress(void *arg, uint64_t bytes)
{
	const struct job *j = arg;
	struct fetch_progress m = {.bytes = bytes};

	chan_event(j->chan, MSG_fetch_progress, j->id, &m);
}

static void on_blob_done(void *arg, const struct err *failure)
{
	struct job *j = arg;

	if (failure)
		chan_fail(j->chan, j->id, failure);
	else
		chan_done(j->chan, j->id);
	job_free(j);
}

static int start_blob(struct fetch *f, struct chan *c, uint32_t id, const struct fetch_blob *m,
	struct frame *frame, struct err *e)
{
	struct blob_request q = {
		.digest = m->digest,
		.size = m->size,
		.on_progress = on_progress,
		.on_done = on_blob_done,
	};
	struct entry *n = entry_find(f, m->session);
	struct job *j;

	if (!digest_valid(m->digest) || m->size == 0 || m->size > MANIFEST_LAYER_MAX)
		return err_set(e, EINVAL, "not a blob's digest and size");
	if (!n)
		return err_set(e, ENOENT, "no fetch session %u", m->session);
	if (f->n_blobs >= BLOBS_MAX)
		return err_set(e, EBUSY, "too many transfers at once");
	j = job_new(n, c, id);
	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	q.session = n->session;
	q.out = frame_take_fd(frame, m->out);
	q.kept = frame_take_fd(frame, m->kept);
	q.arg = j;
	j->blob = blob_start(f->registry.loop, &q, e);
	if (j->blob) {
		f->n_blobs++;
		return 0;
	}
	job_free(j);
	return -e->code;
}

static void on_fetch_blob(void *self, struct chan *c, uint32_t id, void *msg, struct frame *frame)
{
	struct err e;

	if (start_blob(self, c, id, msg, frame, &e) < 0)
		chan_fail(c, id, &e);
}

static void on_fetch_close(void *self, struct chan *c, uint32_t id, void *msg, struct frame *frame)
{
	static const struct err closed = {ECANCELED, "its session was closed"};
	const struct fetch_close *m = msg;
	struct entry *n = entry_find(self, m->session);

	(void)c;
	(void)id;
	(void)frame;
	if (n)
		entry_close(n, &closed);
}

/* ---- start ---- */

static const struct handler handlers[] = {
	{MSG_fetch_image, on_fetch_image},
	{MSG_fetch_blob, on_fetch_blob},
	{MSG_fetch_close, on_fetch_close},
	{0},
};

struct options {
	struct daemon_args common;
	const char *certs_dir, *proxy, *stall, *grace;
	const char *insecure[INSECURE_MAX + 1];
	const char *mirrors[MIRRORS_ALL_MAX + 1];
};

static void parse(int argc, char **argv, struct options *o)
{
	const struct daemon_option own[] = {
		{.name = "certs-dir",
			.value = &o->certs_dir,
			.help = "certificates, by HOST:PORT/*.crt (" DEFAULT_CERTS_DIR ")"},
		{.name = "insecure-registry",
			.list = o->insecure,
			.list_max = INSECURE_MAX + 1,
			.help = "HOST[:PORT] that may be spoken to in plain http"},
		{.name = "mirror",
			.list = o->mirrors,
			.list_max = MIRRORS_ALL_MAX + 1,
			.help = "REGISTRY=HOST[:PORT][/PATH], to be asked before that registry"},
		{.name = "proxy",
			.value = &o->proxy,
			.help = "URL of a proxy for other hosts; the environment is not asked"},
		{.name = "stall-seconds",
			.value = &o->stall,
			.help = "less than 1 KB/s for so long counts as broken (" STALL_SECONDS
				")"},
		{.name = "grace-seconds",
			.value = &o->grace,
			.help = "a blob may take so long, and a second for each 8 KB (" GRACE_SECONDS
				")"},
		{0},
	};

	*o = (struct options){
		.certs_dir = DEFAULT_CERTS_DIR, .stall = STALL_SECONDS, .grace = GRACE_SECONDS};
	daemon_parse(argc, argv, &profile_fetch, own, &o->common);
}

static int confine(const struct options *o, struct err *e)
{
	_cleanup_fd_ int certs = open(o->certs_dir, O_PATH | O_CLOEXEC);
	const struct sandbox_place places[] = {{"certs", certs}, {0}};

	return sandbox_enter(&profile_fetch, places, o->common.debug, e);
}

static int serve(const struct options *o, struct fetch *f, struct err *e)
{
	const struct chan_setup setup = {
		.self = FETCH, .peer = IMAGED, .handlers = handlers, .arg = f};
	int r = priv_enter(&profile_fetch, o->common.uid, o->common.gid, e);

	if (r < 0)
		return r;
	if (!daemon_channel(f->registry.loop, &o->common, &setup, e))
		return -e->code;
	r = confine(o, e);
	if (r == 0)
		r = loop_run(f->registry.loop);
	while (f->entries)
		entry_close(f->entries, NULL);
	return r;
}

static int run(const struct options *o, struct loop *l, struct err *e)
{
	static struct mirror mirrors[MIRRORS_ALL_MAX];
	struct http_setup http = {.proxy = o->proxy};
	struct fetch f = {.registry = {.loop = l,
				  .certs_dir = o->certs_dir,
				  .insecure = o->insecure,
				  .mirrors = mirrors}};
	int r = num_parse_u32(o->stall, 1, 3600, &http.stall_seconds);

	if (r < 0)
		return err_set(e, r, "--stall-seconds takes 1 to 3600");
	r = num_parse_u32(o->grace, 1, 86400, &f.registry.grace_seconds);
	if (r < 0)
		return err_set(e, r, "--grace-seconds takes 1 to 86400");
	for (; r == 0 && o->mirrors[f.registry.n_mirrors]; f.registry.n_mirrors++)
		r = mirror_parse(
			o->mirrors[f.registry.n_mirrors], &mirrors[f.registry.n_mirrors], e);
	if (r < 0)
		return r;
	f.registry.http = http_new(l, &http, e);
	if (!f.registry.http)
		return -e->code;
	r = serve(o, &f, e);
	http_free(f.registry.http);
	return r;
}

int fetch_main(int argc, char **argv)
{
	struct loop *l = loop_new();
	struct err e = {0};
	struct options o;
	int r;

	parse(argc, argv, &o);
	if (!l)
		return EXIT_FAILURE;
	r = loop_stop_on_signals(l, &e);
	if (r == 0)
		r = run(&o, l, &e);
	if (r < 0)
		log_error("%s", e.text);
	loop_free(l);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
