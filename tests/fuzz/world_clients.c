/* SPDX-License-Identifier: MIT */
/*
 * Clients of the engine, of several users: known by SO_PEERCRED as in life. Where the process is
 * not root's, all of them are its own user.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

static const struct {
	const char *name;
	uid_t uid;
} users[WORLD_CLIENTS] = {{"root", 0}, {"root2", 0}, {"alice", 1000}, {"alice2", 1000},
	{"alice3", 1000}, {"alice4", 1000}, {"bob", 1001}, {"bob2", 1001}, {"carol", 1002},
	{"carol2", 1002}};

void clients_init(struct world *w)
{
	for (unsigned int i = 0; i < WORLD_CLIENTS; i++)
		w->clients[i] = (struct client){.name = users[i].name,
			.uid = geteuid() == 0 ? users[i].uid : geteuid(),
			.fd = -1};
}

struct client *client_find(struct world *w, const char *name)
{
	for (unsigned int i = 0; i < WORLD_CLIENTS; i++)
		if (strcmp(w->clients[i].name, name) == 0)
			return &w->clients[i];
	return NULL;
}

/* By system call: glibc's would change libFuzzer's other thread too. */
static void become(uid_t uid)
{
	if (geteuid() != uid && syscall(SYS_setresuid, -1, uid, -1) < 0)
		world_breach("becoming user %u: %s", uid, strerror(errno));
}

static void open_client(struct world *w, struct client *c)
{
	struct sockaddr_un sa;
	socklen_t n = sizeof(sa);
	uid_t self = geteuid();

	*c = (struct client){.name = c->name, .uid = c->uid, .deaf = c->deaf, .next_id = 1};
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || getsockname(w->g.listen, (struct sockaddr *)&sa, &n) < 0)
		world_breach("no socket: %s", strerror(errno));
	become(c->uid);
	if (connect(c->fd, (struct sockaddr *)&sa, n) < 0)
		world_breach("connecting: %s", strerror(errno));
	become(self);
}

void client_close(struct client *c)
{
	fd_close(&c->fd);
}

static bool may_ask(const struct client *c, enum msg_type type)
{
	const struct msg_row *row = msg_row(type);

	return row->kind == REQUEST && row->from & CTL && row->to & SUPERVISOR &&
	       c->next_id < CLIENT_IDS;
}

/* Who may not even connect finds it out by the end of his connection. */
static bool ready(struct world *w, struct client *c)
{
	if (c->fd < 0 && !w->g.listen_watch)
		return false;
	if (c->fd < 0)
		open_client(w, c);
	return true;
}

void client_say(struct world *w, struct client *c, const char *line)
{
	enum msg_type type;

	if (w->said++ > WORLD_SAID || !ready(w, c) || c->next_id >= CLIENT_IDS)
		return;
	type = world_say(c->fd, c->next_id, line);
	if (type == MSG_none)
		return;
	c->types[c->next_id] = (uint8_t)type;
	if (may_ask(c, type))
		c->ids[c->next_id] = ID_ASKED;
	else
		c->wild = true;
	w->removals += type == MSG_image_remove && judge_may(c->uid, RIGHT_REMOVE_IMAGES);
	c->next_id++;
}

void client_say_raw(struct world *w, struct client *c, const char *bytes, size_t n)
{
	const int fds[] = {FD_NULL, FD_SEALED};

	if (!ready(w, c))
		return;
	c->wild = true;
	/* It may ask for anything. */
	w->removals += judge_may(c->uid, RIGHT_REMOVE_IMAGES);
	frame_send_raw(c->fd, (const uint8_t *)bytes, n, fds, (uint32_t)(n % 3));
}

static void on_reply(struct client *c, const struct frame *f, const void *obj)
{
	world_check(f->id < CLIENT_IDS && c->ids[f->id] == ID_ASKED,
		"to %s: %s answers %u, which is not asked or answered already", c->name,
		msg_name(f->type), f->id);
	c->ids[f->id] = ID_ANSWERED;
	if (f->type == MSG_failed)
		judge_failed(c, c->types[f->id], obj);
}

static void on_told(const struct world *w, struct client *c, struct frame *f)
{
	const struct msg_row *row = msg_row(f->type);
	struct err e = {0};
	void *obj;

	world_check(row, "to %s: no message", c->name);
	obj = malloc(row->schema->size);
	judge_bytes(w, c, f); /* decoding writes into them */
	if (!obj || frame_check(f, SUPERVISOR, CTL, &e) < 0 || frame_decode(f, obj, &e) < 0)
		world_breach("to %s: %s", c->name, e.text);
	judge_told(w, c, f->type, obj);
	/* Number 0 is told to who may not connect. */
	if (!c->wild && row->kind == REPLY && (f->id > 0 || f->type != MSG_failed))
		on_reply(c, f, obj);
	free(obj);
}

static bool hear(const struct world *w, struct client *c)
{
	struct err e = {0};
	bool heard = false;
	struct frame f;
	int r;

	while ((r = frame_recv(c->fd, &f, &e)) == 0) {
		on_told(w, c, &f);
		frame_free(&f);
		heard = true;
	}
	world_check(r != -EBADMSG, "to %s: %s", c->name, e.text);
	if (r != -EAGAIN)
		client_close(c);
	return heard;
}

bool clients_hear(struct world *w)
{
	bool heard = false;

	for (unsigned int i = 0; i < WORLD_CLIENTS; i++)
		if (w->clients[i].fd >= 0 && !w->clients[i].deaf)
			heard = hear(w, &w->clients[i]) || heard;
	return heard;
}
