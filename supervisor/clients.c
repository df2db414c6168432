/* SPDX-License-Identifier: MIT */
/*
 * Connections of ctl: accepted, known by who connected (SO_PEERCRED), and bounded, so that no user
 * can keep the others out: by the number of a user's connections and by what a connection may ask
 * before it has been answered. One that doesn't read its answers isn't read from (chan.h).
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine.h"

#define CLIENTS_MAX 1024
#define USERS_MAX   960 /* of them of users who are not root: root always gets in */
#define OWED_MAX    64	/* requests of one connection that wait for their answers */
#define PAUSE_MS    100 /* when there is no descriptor left for one more */

struct session {
	struct session *next;
	uid_t uid;
	gid_t gid;
	uint32_t owed;
};

uid_t session_uid(struct chan *ch)
{
	return ((const struct session *)chan_data(ch))->uid;
}

gid_t session_gid(struct chan *ch)
{
	return ((const struct session *)chan_data(ch))->gid;
}

void session_owes(struct chan *ch)
{
	((struct session *)chan_data(ch))->owed++;
}

void session_paid(struct chan *ch)
{
	((struct session *)chan_data(ch))->owed--;
}

static void session_end(struct engine *g, struct chan *ch)
{
	struct session *s = chan_data(ch), **p = &g->sessions;

	wait_forget_client(g, ch);
	relay_forget_client(g, ch);
	follow_forget_client(g, ch);
	turns_forget_client(g, ch);
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	g->n_clients--;
	g->n_users -= s->uid != 0;
	free(s);
}

static void on_close(void *self, struct chan *ch)
{
	session_end(self, ch);
}

static bool admit(void *self, struct chan *ch, uint32_t id)
{
	const struct session *s = chan_data(ch);
	struct err e;

	(void)self;
	if (s->owed < OWED_MAX)
		return true;
	err_set(&e, EAGAIN, "%d requests of this connection wait already", OWED_MAX);
	chan_fail(ch, id, &e);
	return false;
}

static bool may_stay(const struct engine *g, uid_t uid, struct err *e)
{
	uint64_t n = 0;

	for (const struct session *s = g->sessions; s; s = s->next)
		n += s->uid == uid;
	if (policy_check_quota(g->policy, uid, QUOTA_CONNECTIONS, n, 1, e) < 0)
		return false;
	if (g->n_clients < CLIENTS_MAX && (uid == 0 || g->n_users < USERS_MAX))
		return true;
	err_set(e, EAGAIN, "the engine has %u connections, and takes no more", g->n_clients);
	return false;
}

static void on_pause_over(void *arg)
{
	struct engine *g = arg;

	if (g->listen_watch && watch_change(g->listen_watch, LOOP_READ) < 0)
		timer_again(g->accept_timer, PAUSE_MS);
}

/* The connection stays in the queue, and with it the socket readable. */
static void pause_accepting(struct engine *g)
{
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	log_warn("no descriptor is left for another connection");
	watch_change(g->listen_watch, 0);
	watch_free(g->accept_timer);
	g->accept_timer = loop_timer(g->loop, PAUSE_MS, on_pause_over, g);
}

void sessions_accept(void *arg, int what)
{
	struct engine *g = arg;
	const struct chan_setup setup = {.self = SUPERVISOR,
		.peer = CTL,
		.handlers = session_handlers,
		.arg = g,
		.on_close = on_close,
		.admit = admit};
	_cleanup_fd_ int fd = accept4(g->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct session *s;
	struct ucred peer;
	socklen_t n = sizeof(peer);
	struct chan *ch;
	struct err e;

	(void)what;
	if (fd < 0) {
		pause_accepting(g);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return;
	if (!may_stay(g, peer.uid, &e)) {
		frame_send_failed(fd, 0, &e);
		return;
	}
	s = malloc(sizeof(*s));
	ch = s ? chan_open(g->loop, fd, &setup) : NULL;
	if (!ch) {
		free(s);
		return;
	}
	take_fd(&fd);
	*s = (struct session){g->sessions, peer.uid, peer.gid, 0};
	g->sessions = s;
	chan_set_data(ch, s);
	g->n_clients++;
	g->n_users += peer.uid != 0;
}
