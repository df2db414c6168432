/* SPDX-License-Identifier: MIT */
/*
 * Launcher, helpers and shims as the engine meets them: they do what they are asked, at once,
 * unless the script holds them or speaks for them.
 */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FD     "@fd:100"

static const struct {
	enum msg_type asked;
	const char *answer;
} answers[] = {
	{MSG_facts, "facts_are facts.0.name=tested facts.0.level=ok facts.0.found=yes"},
	{MSG_net_setup, "net_ready bridge=fuzz0 subnet4=10.9.0.0/16 gateway4=10.9.0.1"},
	{MSG_net_attach,
		"net_attached endpoint.ip4=10.9.0.2 endpoint.prefix4=16 endpoint.gateway4=10.9.0.1"},
	{MSG_net_detach, "done"},
	{MSG_net_loopback, "done"},
	{MSG_net_teardown, "done"},
	{MSG_cgroup_create, "cgroup_created procs=" FD " procs=" FD " in_force.memory=1048576"},
	{MSG_cgroup_read, "cgroup_state in_force.memory=1048576"},
	{MSG_cgroup_remove, "cgroup_state oom_kills=1"},
	{MSG_cgroup_teardown, "done"},
	{MSG_image_pull, "image_pulled ref=busybox:latest image.id=" DIGEST},
	{MSG_image_list, "image_listed images.0.id=" DIGEST " images.0.refs=busybox:latest"},
	{MSG_image_inspect,
		"image_inspected image.id=" DIGEST " image.config.cmd=sh image.config.env=PATH=/bin"
		" image.config.labels=a=b image.config.exposed=80/tcp"
		" image.config.stop_signal=SIGINT"},
	{MSG_image_remove, "image_removed untagged=busybox:latest deleted=" DIGEST},
	{MSG_image_usage, "image_usage_is images=1 bytes=4096"},
	{MSG_image_collect, "image_collected"},
	{MSG_rootfs_open, "rootfs_opened layers=" FD " layers=" FD " writable=" FD},
	{MSG_mount_map, "mount_mapped tree=" FD " again=" FD},
	{MSG_rootfs_writable, "rootfs_writable_opened writable=" FD},
	{MSG_rootfs_remove, "done"},
	{MSG_rootfs_list, "rootfs_listed"},
	{MSG_shim_start, "shim_started started_at=5"},
	{MSG_shim_signal, "done"},
	{MSG_shim_resize, "done"},
	{MSG_shim_attach, "done"},
	{MSG_shim_exec, "shim_execed pid=7"},
	{MSG_shim_clean, "done"},
	{MSG_shim_measure, "done"},
};

/* ---- processes ---- */

struct peer *peer_find(struct world *w, enum role role, unsigned int nth)
{
	struct peer *p = w->peers;

	while (p && !(p->role == role && nth-- == 0))
		p = p->next;
	return p;
}

static void peer_start(struct world *w, const struct launch_frame *f)
{
	struct launch_frame told = *f;
	struct peer *p = calloc(1, sizeof(*p));
	int pair[2];

	if (!p || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		world_breach("no socket: %s", strerror(errno));
	*p = (struct peer){.next = w->peers,
		.world = w,
		.role = f->role,
		.slot = f->slot,
		.flags = f->flags,
		.pid = w->next_pid++,
		.fd = pair[0]};
	w->peers = p;
	told.op = LAUNCH_STARTED;
	told.pid = p->pid;
	launch_send(w->launcher, &told, pair[1]);
	close(pair[1]);
	if (p->role == SHIM)
		peer_say(p, "shim_ready pid=77 pidfd=" FD " userns=" FD " netns=" FD " rtnl=" FD);
}

void peer_die(struct peer *p)
{
	const struct launch_frame gone = {
		.op = LAUNCH_GONE, .role = p->role, .slot = p->slot, .pid = p->pid};
	struct peer **at = &p->world->peers;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	fd_close(&p->fd);
	launch_send(p->world->launcher, &gone, -1);
	free(p);
}

/* ---- what they say ---- */

static struct asked take_oldest(struct peer *p)
{
	struct asked a = p->asked[0];

	memmove(p->asked, p->asked + 1, --p->n_asked * sizeof(a));
	return a;
}

void peer_say(struct peer *p, const char *line)
{
	char name[64];
	enum msg_type said;
	const struct msg_row *row;

	snprintf(name, sizeof(name), "%.*s", (int)MIN(strcspn(line, " "), sizeof(name) - 1), line);
	row = msg_row(msg_number(name));
	said = row ? world_say(p->fd, p->n_asked ? p->asked[0].id : 0, line) : MSG_none;
	if (said && row->kind == REPLY && p->n_asked > 0)
		take_oldest(p);
	if (said == MSG_shim_started || said == MSG_shim_exited)
		p->started = said == MSG_shim_started;
}

static void answer(struct peer *p, const struct asked *a)
{
	for (unsigned int i = 0; i < ARRAY_LEN(answers); i++)
		if (answers[i].asked == a->type)
			world_say(p->fd, a->id, answers[i].answer);
	if (a->type == MSG_shim_start)
		p->started = true;
	if (a->type != MSG_shim_signal || !p->started ||
		(a->detail != SIGKILL && a->detail != SIGTERM))
		return;
	p->started = false;
	world_say(p->fd, 0, "shim_exited exit_code=137 signal=9 finished_at=9");
}

void peers_answer(struct world *w, uint32_t roles)
{
	struct launch_frame f;

	while (roles & HOLD_LAUNCHER && w->n_spawns > 0) {
		f = w->spawns[0];
		memmove(w->spawns, w->spawns + 1, --w->n_spawns * sizeof(f));
		peer_start(w, &f);
	}
	for (struct peer *p = w->peers; p; p = p->next)
		while (roles & (uint32_t)p->role && p->n_asked > 0) {
			struct asked a = take_oldest(p);

			answer(p, &a);
		}
}

/* ---- what they hear ---- */

static void on_launch(struct world *w, const struct launch_frame *f)
{
	struct launch_frame told = *f;

	judge_launch(w, f);
	if (f->op == LAUNCH_IDMAP) {
		told.op = LAUNCH_IDMAPPED;
		launch_send(w->launcher, &told, FD_NULL);
	} else if (f->op == LAUNCH_SPAWN && w->held & HOLD_LAUNCHER && w->n_spawns < WORLD_SPAWNS) {
		w->spawns[w->n_spawns++] = *f;
	} else if (f->op == LAUNCH_SPAWN) {
		peer_start(w, f);
	}
}

static void on_asked(struct world *w, struct peer *p, struct frame *f)
{
	const struct shim_signal *signal;
	struct asked a = {.id = f->id, .type = f->type};
	void *obj = malloc(msg_row(f->type)->schema->size);
	struct err e = {0};

	if (!obj || frame_check(f, SUPERVISOR, p->role, &e) < 0 || frame_decode(f, obj, &e) < 0)
		world_breach("to %s: %s", role_name(p->role), e.text);
	judge_asked(w, p, f->type, obj);
	signal = obj;
	a.detail = f->type == MSG_shim_signal ? signal->signal : 0;
	free(obj);
	if (msg_row(f->type)->kind != REQUEST)
		return;
	if (w->held & (uint32_t)p->role && p->n_asked < PEER_ASKED)
		p->asked[p->n_asked++] = a;
	else
		answer(p, &a);
}

/* False when it has ended: its channel was closed. */
static bool hear(struct world *w, struct peer *p, bool *heard)
{
	struct err e = {0};
	struct frame f;
	int r;

	while ((r = frame_recv(p->fd, &f, &e)) == 0) {
		*heard = true;
		world_check(msg_row(f.type), "to %s: no message", role_name(p->role));
		on_asked(w, p, &f);
		frame_free(&f);
	}
	world_check(r != -EBADMSG, "to %s: %s", role_name(p->role), e.text);
	return r == -EAGAIN;
}

bool peers_hear(struct world *w)
{
	struct launch_frame f;
	bool heard = false;
	int fd;

	while (launch_recv(w->launcher, &f, &fd) == 0) {
		heard = true;
		on_launch(w, &f);
	}
	for (struct peer *p = w->peers, *next; p; p = next) {
		next = p->next;
		if (hear(w, p, &heard))
			continue;
		heard = true;
		peer_die(p);
	}
	return heard;
}
