/* SPDX-License-Identifier: MIT */
/*
 * logs: what a container has written, and with -f what it goes on writing.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/util.h"
#include "command.h"
#include "logs.h"
#include "parse.h"
#include "words.h"

#define POLL_MS	  50   /* without inotify */
#define SETTLE_MS 1000 /* with it, should an event be missed */

struct logs_options {
	bool follow, timestamps;
	const char *tail, *since, *until;
};

static int check_tail(const char *s, struct err *e)
{
	int64_t v;

	if (strcmp(s, "all") == 0 || parse_i64(s, -1, INT64_MAX, &v) == 0)
		return 0;
	return err_set(e, EINVAL, "\"%.32s\" is no number of lines", s);
}

static int check_time(const char *s, struct err *e)
{
	uint64_t v;

	return parse_time(s, words_now(), &v, e);
}

#define AT(field) offsetof(struct logs_options, field)
static const struct flag logs_flags[] = {
	{"follow", 'f', FLAG_BOOL, AT(follow), NULL, NULL, "go on until it ends"},
	{"tail", 'n', FLAG_STRING, AT(tail), check_tail, "N", "only the last N lines"},
	{"since", 0, FLAG_STRING, AT(since), check_time, "TIME",
		"only from then on: a time, or 10m for ten minutes ago"},
	{"until", 0, FLAG_STRING, AT(until), check_time, "TIME", "only until then"},
	{"timestamps", 't', FLAG_BOOL, AT(timestamps), NULL, NULL, "with times"},
	{"details", 0, FLAG_LATER, 0, NULL, NULL, NULL},
	{.kind = FLAG_END},
};
#undef AT

static struct logs_setup read_setup(const struct logs_options *o)
{
	struct logs_setup s = {.tail = UINT64_MAX, .timestamps = o->timestamps};
	int64_t tail = -1;

	if (o->tail && strcmp(o->tail, "all") != 0)
		(void)parse_i64(o->tail, -1, INT64_MAX, &tail);
	if (tail >= 0)
		s.tail = (uint64_t)tail;
	if (o->since)
		(void)parse_time(o->since, words_now(), &s.since, NULL);
	if (o->until)
		(void)parse_time(o->until, words_now(), &s.until, NULL);
	return s;
}

/* -1 when the directory can't be watched; then it is looked at now and then. */
static int watch(int dir)
{
	_cleanup_fd_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	return take_fd(&fd);
}

/* Reads away what inotify or the engine has to say. 1 when the container has ended. */
static int take_news(struct ctl *c, const struct pollfd p[2], uint32_t wait_id, struct err *e)
{
	_cleanup_incoming_ struct incoming in = {0};
	char events[4096];
	int r;

	if (p[0].revents)
		(void)!read(p[0].fd, events, sizeof(events));
	if (!p[1].revents)
		return 0;
	r = client_receive(&c->engine, &in, e);
	return r < 0 ? r : in.frame.id == wait_id;
}

static int follow(struct ctl *c, int dir, const char *ref, struct logs *l, struct err *e)
{
	const struct container_wait m = {.ref = ref, .last = true};
	_cleanup_fd_ int changes = watch(dir);
	uint32_t wait_id;
	int r, ended = client_send(&c->engine, MSG_container_wait, &m, &wait_id, e);

	for (;;) {
		struct pollfd p[] = {
			{.fd = changes, .events = POLLIN}, {.fd = c->engine.fd, .events = POLLIN}};

		if (ended < 0)
			return ended;
		r = logs_print(l, e);
		if (r != 0 || ended)
			return r < 0 ? r : 0;
		if (poll(p, 2, changes < 0 ? POLL_MS : SETTLE_MS) < 0 && errno != EINTR)
			return err_errno(e, errno, "poll");
		ended = take_news(c, p, wait_id, e);
	}
}

static int cmd_logs(struct ctl *c, void *options, const struct strv *operands, struct err *e)
{
	const struct logs_options *o = options;
	const struct logs_setup setup = read_setup(o);
	const struct container_logs m = {.ref = operands->v[0]};
	_cleanup_incoming_ struct incoming in = {0};
	struct logs *l;
	int r = ctl_connect(c, e);

	if (r == 0)
		r = client_call(&c->engine, MSG_container_logs, &m, CLIENT_DEADLINE, &in, e);
	if (r < 0 || in.msg.logs.dir < 0)
		return r;
	l = logs_open(in.msg.logs.dir, &setup);
	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	setvbuf(stderr, NULL, _IOFBF, BUFSIZ);
	if (o->follow && in.msg.logs.running)
		r = follow(c, in.msg.logs.dir, m.ref, l, e);
	else
		r = logs_print(l, e);
	logs_finish(l);
	logs_free(l);
	return r < 0 ? r : 0;
}

const struct command command_logs = {"logs", "CONTAINER", "Show what a container has written",
	logs_flags, sizeof(struct logs_options), 1, 1, false, EXIT_OBJECT, cmd_logs};
