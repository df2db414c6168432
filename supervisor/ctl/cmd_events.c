/* SPDX-License-Identifier: MIT */
/*
 * events: what has happened to containers and images, and what happens.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "container.h"
#include "filters.h"
#include "format.h"
#include "parse.h"
#include "render.h"
#include "table.h"
#include "words.h"

struct events_options {
	const char *since, *until, *format;
	struct strv filter;
};

static int check_time(const char *s, struct err *e)
{
	uint64_t v;

	return parse_time(s, words_now(), &v, e);
}

static int check_events_format(const char *s, struct err *e)
{
	return strcmp(s, "json") == 0 ? 0 : check_format(s, e);
}

static const char *const filter_keys[] = {
	"container", "event", "image", "label", "type", "health_status"};

static int check_filter(const char *s, struct err *e)
{
	size_t n = strcspn(s, "=");

	for (size_t i = 0; i < ARRAY_LEN(filter_keys); i++)
		if (s[n] == '=' && strlen(filter_keys[i]) == n && memcmp(s, filter_keys[i], n) == 0)
			return 0;
	return err_set(e, EINVAL,
		"\"%.64s\" is no filter: container=, event=, image=, label=, type=, health_status=",
		s);
}

#define AT(field) offsetof(struct events_options, field)
static const struct flag events_flags[] = {
	{"since", 0, FLAG_STRING, AT(since), check_time, "TIME",
		"those from then on, too: a time, or 10m for ten minutes ago"},
	{"until", 0, FLAG_STRING, AT(until), check_time, "TIME", "only until then"},
	{"filter", 'f', FLAG_LIST, AT(filter), check_filter, "KEY=VALUE", "only those that match"},
	{"format", 0, FLAG_STRING, AT(format), check_events_format, "FORMAT", "json or a template"},
	{.kind = FLAG_END},
};
#undef AT

static const char *type_of(const struct event *ev)
{
	return ev->type ? ev->type : "container";
}

/* What a container is of, or the image itself. */
static bool is_image(const struct event *ev, const char *wanted)
{
	const char *image = ev->type ? ev->name : ev->image;

	return image && filter_is_image(image, wanted);
}

static bool has_attribute(const struct event *ev, const char *pair)
{
	for (uint32_t i = 0; i < ev->attributes.n; i++)
		if (strcmp(ev->attributes.v[i], pair) == 0)
			return true;
	return false;
}

static bool matches(const void *arg, const char *filter)
{
	const struct event *ev = arg;
	const char *value = strchr(filter, '=') + 1;

	switch (filter[0]) {
	case 'c':
		return !ev->type && (strcmp(ev->name, value) == 0 ||
					    (*value && strncmp(ev->id, value, strlen(value)) == 0));
	case 'e':
		return strcmp(ev->action, value) == 0;
	case 'i':
		return is_image(ev, value);
	case 'l':
		return has_label(&ev->labels, value);
	case 'h':
		return has_attribute(ev, filter);
	default:
		return strcmp(value, type_of(ev)) == 0;
	}
}

static json_t *actor(const struct event *ev)
{
	json_t *j = json_object(), *attributes = render_pairs(&ev->labels, &ev->attributes);

	render_text(attributes, "name", ev->name);
	if (ev->image)
		render_text(attributes, "image", ev->image);
	render_text(j, "ID", ev->id);
	json_object_set_new(j, "Attributes", attributes);
	return j;
}

/* docker's fields, the old ones and the new. */
static json_t *event_json(const struct event *ev)
{
	json_t *j = json_object();

	render_text(j, "status", ev->action);
	render_text(j, "id", ev->id);
	if (ev->image)
		render_text(j, "from", ev->image);
	render_text(j, "Type", type_of(ev));
	render_text(j, "Action", ev->action);
	json_object_set_new(j, "Actor", actor(ev));
	render_text(j, "scope", "local");
	render_number(j, "time", (int64_t)(ev->time / 1000000000));
	render_number(j, "timeNano", (int64_t)ev->time);
	return j;
}

/* "TIME container start ID (image=…, name=…)" */
static void print_plain(const struct event *ev, const json_t *j)
{
	json_t *attributes = json_object_get(json_object_get(j, "Actor"), "Attributes"), *value;
	const char *key, *between = "";
	char when[64];

	words_time(ev->time, when);
	printf("%s %s %s %s (", when, type_of(ev), ev->action, ev->id);
	json_object_foreach(attributes, key, value)
	{
		char text[512];

		snprintf(text, sizeof(text), "%s=%s", key, json_string_value(value));
		printf("%s%s", between, table_visible(text, (char[512]){0}, 512));
		between = ", ";
	}
	puts(")");
}

static int print_event(const struct event *ev, const char *format, struct err *e)
{
	json_t *j = event_json(ev);
	int r = 0;

	if (!format) {
		print_plain(ev, j);
	} else if (strcmp(format, "json") == 0) {
		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		if (!ev->image) /* of an image, too, docker's struct has it, empty */
			render_text(j, "from", "");
		r = format_print(format, j, isatty(STDOUT_FILENO), stdout, e);
		if (r == 0)
			putchar('\n');
	}
	json_decref(j);
	if (r == 0 && fflush(stdout) != 0)
		r = 1; /* main tells it */
	return r;
}

static int print_page(const struct events_are *m, const struct events_options *o, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; i < m->events.n && r == 0; i++)
		if (filters_pass(&o->filter, matches, &m->events.v[i]))
			r = print_event(&m->events.v[i], o->format, e);
	return r;
}

/* 1 when the answer is there, 0 when it is `until` without one. */
static int await_news(const struct ctl *c, uint64_t until, struct err *e)
{
	for (;;) {
		struct pollfd p = {.fd = c->engine.fd, .events = POLLIN};
		uint64_t now = words_now();
		int ms = -1, r;

		if (until && now >= until)
			return 0;
		if (until)
			ms = (int)MIN((until - now) / 1000000 + 1, (uint64_t)60000);
		r = poll(&p, 1, ms);
		if (r < 0 && errno != EINTR)
			return err_errno(e, errno, "waiting for the engine");
		if (r > 0)
			return 1;
	}
}

static int ask(
	struct ctl *c, struct events *m, const struct events_options *o, bool print, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	uint32_t id;
	int r = client_send(&c->engine, MSG_events, m, &id, e);

	if (r == 0 && m->wait)
		r = await_news(c, m->until, e);
	if (r < 0 || (m->wait && r == 0))
		return r < 0 ? r : 1;
	r = client_await(&c->engine, id, MSG_events_are, CLIENT_DEADLINE, &in, e);
	if (r < 0)
		return r;
	m->after = in.msg.events.seq;
	m->wait = !in.msg.events.more;
	return print ? print_page(&in.msg.events, o, e) : 0;
}

/* What has been kept first, then, unless that time is over, what comes. */
static int cmd_events(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct events_options *o = options;
	struct events m = {0};
	bool kept = o->since || o->until;
	int r;

	(void)operands;
	if (o->since)
		(void)parse_time(o->since, words_now(), &m.since, NULL);
	if (o->until)
		(void)parse_time(o->until, words_now(), &m.until, NULL);
	r = ctl_connect(c, e);
	if (r == 0 && !kept) /* only to learn where what comes next begins */
		m.after = UINT64_MAX;
	if (r == 0)
		r = ask(c, &m, o, kept, e);
	while (r == 0)
		r = ask(c, &m, o, true, e);
	return r < 0 ? r : 0;
}

const struct command command_events = {"events", "", "Show what happens to containers and images",
	events_flags, sizeof(struct events_options), 0, 0, false, EXIT_OBJECT, cmd_events};
