/* SPDX-License-Identifier: MIT */
/*
 * The life of a world; see world.h.
 */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "message_lines.h"
#include "text.h"

#define FDS_WATCHED 192
#define IDLE_TURNS  3
#define TURNS_MAX   20000
#define REMOVALS    8
#define ROUND_MS    700000 /* longer than any deadline of the engine's */

static uint64_t now_ns = 1000000000, seed;
static struct filter *filters; /* costly to make, and the same in every world */

/* libevent's clock, and the supervisor's for pauses. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(now_ns / 1000000000);
	ts->tv_nsec = (long)(now_ns % 1000000000);
	return 0;
}

ssize_t getrandom(void *buf, size_t n, unsigned int flags)
{
	uint8_t *p = buf;

	(void)flags;
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005U + 1442695040888963407U;
		p[i] = (uint8_t)(seed >> 33);
	}
	return (ssize_t)n;
}

void world_breach(const char *fmt, ...)
{
	va_list ap;

	fputs("breach: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\n", stderr);
	abort();
}

/* ---- what stays: descriptors for scripts, a directory, a socket ---- */

static char dir[] = "/dev/shm/fuzz_sup_requests.XXXXXX";
static int state = -1, listener = -1;

static void clean_up(void)
{
	rmdir(dir);
}

static void open_listener(void)
{
	const struct sockaddr any = {.sa_family = AF_UNIX}; /* the kernel finds a name: unix(7) */

	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, &any, sizeof(any.sa_family)) < 0 ||
		listen(listener, 128) < 0)
		world_breach("no socket: %s", strerror(errno));
}

static void open_once(void)
{
	if (state >= 0)
		return;
	log_open("engine", getenv("FUZZ_LOG") ? LOG_DEBUG : LOG_ERROR + 1);
	message_open_fds();
	if (!mkdtemp(dir) || (state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		world_breach("%s: %s", dir, strerror(errno));
	atexit(clean_up);
	open_listener();
}

static bool fds_before[FDS_WATCHED];

static void note_fds(void)
{
	for (int fd = 0; fd < FDS_WATCHED; fd++)
		fds_before[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* Filters are kept from world to world as the engine keeps them. */
static void check_fds(void)
{
	for (int fd = 0; fd < FDS_WATCHED; fd++) {
		char path[32], what[64] = "";

		if (fds_before[fd] || fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, what, sizeof(what) - 1) < 0 || !strstr(what, "kept-filter"))
			world_breach("descriptor %d is left: %s", fd, what);
	}
}

static unsigned int count_names(int at)
{
	DIR *d = fdopendir(openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned int n = 0;

	if (!d)
		world_breach("state: %s", strerror(errno));
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

/* ---- a world's time ---- */

static bool hear(struct world *w)
{
	bool peers, clients;

	event_base_loop(loop_base(w->g.loop), EVLOOP_NONBLOCK);
	peers = peers_hear(w);
	clients = clients_hear(w);
	return peers || clients;
}

void world_settle(struct world *w)
{
	unsigned int idle = 0, turns = 0;

	while (idle < IDLE_TURNS) {
		idle = hear(w) ? 0 : idle + 1;
		if (++turns > TURNS_MAX)
			world_breach("they talk without end");
	}
	judge_engine(w);
}

void world_pass(struct world *w, uint64_t ms)
{
	now_ns += ms * 1000000;
	world_settle(w);
}

enum msg_type world_say(int fd, uint32_t id, const char *line)
{
	char *copy = strdup(line);
	struct frame f = {0};
	struct err e = {0};
	enum msg_type type = MSG_none;
	void *obj;

	if (!copy)
		abort();
	message_disarm(copy);
	if (text_parse(copy, id, &f, &e) == 0) {
		obj = malloc(msg_row(f.type)->schema->size);
		if (!obj || frame_decode(&f, obj, &e) < 0)
			world_breach("a line that is no message: %s", e.text);
		if (frame_send(fd, f.type, id, obj, &e) == 0)
			type = f.type;
		free(obj);
	}
	frame_free(&f);
	free(copy);
	return type;
}

/* ---- its beginning and its end ---- */

/* What the launcher and engine_run() do, but for the sandbox. */
static void begin_engine(struct world *w)
{
	const struct launch_frame adopted = {.op = LAUNCH_ADOPTED};
	struct engine *g = &w->g;
	struct err e = {0};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		world_breach("no socket: %s", strerror(errno));
	w->launcher = pair[0];
	w->o = (struct options){.name = "fuzz",
		.run_dir = "/run/fuzz",
		.state_dir = dir,
		.standby = 1,
		.shutdown_timeout = 10,
		.uid_base = 0x20000000};
	*g = (struct engine){.o = &w->o,
		.policy = &world_policy,
		.launcher = pair[1],
		.listen = listener,
		.state = state,
		.network_file = -1,
		.filters = filters,
		.loop = loop_new()};
	if (!g->loop || state_load(g, &e) < 0 || helpers_open(g, &e) < 0)
		world_breach("no engine: %s", e.text);
	launch_send(w->launcher, &adopted, -1);
}

void world_begin(struct world *w, const char *script, size_t n)
{
	open_once();
	note_fds();
	seed = 1;
	*w = (struct world){.next_pid = 1000, .script = script, .script_len = n};
	clients_init(w);
	begin_engine(w);
	world_settle(w);
	world_check(w->g.serving, "the engine does not serve");
}

/* Everybody is helpful again, and root removes all there is. Who waited for anything has been
 * answered then. */
static void remove_all(struct world *w)
{
	struct client *root = client_find(w, "root");
	char line[ID_LEN + 64];

	w->held = w->said = 0;
	peers_answer(w, UINT32_MAX);
	for (unsigned int i = 0; i < WORLD_CLIENTS; i++)
		w->clients[i].deaf = false;
	world_settle(w);
	for (unsigned int i = 0; i < REMOVALS && w->g.ctrs && !w->g.ending; i++) {
		if (root->next_id >= CLIENT_IDS - w->g.n_clients)
			client_close(root);
		for (const struct ctr *c = w->g.ctrs; c; c = c->next) {
			snprintf(line, sizeof(line), "container_remove ref=%s force=true", c->id);
			client_say(w, root, line);
		}
		world_settle(w);
		if (w->g.ctrs)
			world_pass(w, ROUND_MS);
	}
}

static void check_answered(const struct client *c)
{
	for (uint32_t id = 0; id < CLIENT_IDS && c->fd >= 0 && !c->wild; id++)
		world_check(c->ids[id] != ID_ASKED, "%s was never answered to his request %u",
			c->name, id);
}

static void check_clean(const struct world *w)
{
	const struct engine *g = &w->g;
	unsigned int names = count_names(state);

	world_check(!g->shims, "a shim is left");
	world_check(!g->sessions && !g->n_clients && !g->n_users, "a session is left");
	world_check(!g->relays && !g->creating && !g->idmaps, "a request is left");
	world_check(names == 0, "%u entries are left in the state directory", names);
	for (unsigned int i = 0; i < sizeof(g->slots); i++)
		world_check(!g->slots[i], "a slot near %u is still in use", i * 8);
}

/* Who connected when the engine listened no more is not the next one's to hear. */
static void drain_listener(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

static void free_engine(struct world *w)
{
	struct engine *g = &w->g;

	drain_listener();

	for (unsigned int i = 0; i < H_COUNT; i++) {
		chan_close(g->helpers[i].chan);
		watch_free(g->helpers[i].again);
	}
	filters = g->filters;
	watch_free(g->launcher_watch);
	watch_free(g->listen_watch);
	watch_free(g->fill_timer);
	watch_free(g->reconcile_timer);
	watch_free(g->sync_timer);
	watch_free(g->end_timer);
	watch_free(g->accept_timer);
	doc_free(&g->network);
	events_free(g);
	loop_free(g->loop);
	fd_close(&g->launcher);
}

void world_end(struct world *w)
{
	remove_all(w);
	world_pass(w, ROUND_MS);
	for (unsigned int i = 0; i < WORLD_CLIENTS && !w->g.ending; i++)
		check_answered(&w->clients[i]);
	world_check(!w->g.ctrs || w->g.ending, "container %.12s can't be removed: %s",
		w->g.ctrs->id, w->g.ctrs->error);
	if (!w->g.ending)
		engine_terminate(&w->g);
	world_settle(w);
	world_pass(w, ROUND_MS);
	while (w->g.ctrs) { /* the end of an engine leaves them */
		state_remove(w->g.ctrs, NULL);
		ctr_free(w->g.ctrs);
	}
	for (unsigned int i = 0; i < WORLD_CLIENTS; i++)
		client_close(&w->clients[i]);
	world_settle(w);
	check_clean(w);
	free_engine(w);
	while (w->peers)
		peer_die(w->peers);
	fd_close(&w->launcher);
	check_fds();
}
