/* SPDX-License-Identifier: MIT */
/*
 * One supervisor process and all that it talks to, in one thread: the engine is the real one, on
 * real sockets; launcher, helpers, shims and clients are played here. Time stands still unless it
 * is moved, and random numbers are the same in every world, so that a script means the same each
 * time.
 *
 * What the engine sends is judged as it comes: whether it is well-formed, whether somebody asked
 * for it, and whether he may. A breach ends the process.
 */
#pragma once

#include "message_lines.h"
#include "supervisor/engine.h"

#define WORLD_CLIENTS 10
#define CLIENT_IDS    2048
#define PEER_ASKED    128
#define WORLD_SPAWNS  64
#define WORLD_SAID    500 /* words of clients; a script that says more has said enough */

struct asked {
	uint32_t id, type, detail;
};

/* A process that the engine has had started. */
struct peer {
	struct peer *next; /* newest first */
	struct world *world;
	enum role role;
	uint32_t slot, flags;
	int32_t pid;
	int fd;
	bool started; /* a shim whose workload runs */
	uint32_t n_asked;
	struct asked asked[PEER_ASKED];
};

enum asked_state { ID_UNUSED, ID_ASKED, ID_ANSWERED };

struct client {
	const char *name;
	uid_t uid;
	int fd; /* -1: not connected */
	bool deaf;
	bool wild; /* it has sent what no ctl would: its ids mean nothing */
	uint32_t next_id;
	uint8_t ids[CLIENT_IDS], types[CLIENT_IDS];
};

struct world {
	struct engine g;
	struct options o;
	int launcher; /* our end */
	struct peer *peers;
	uint32_t held; /* roles that don't answer for now; ROLE_NONE's bit: the launcher */
	struct launch_frame spawns[WORLD_SPAWNS];
	uint32_t n_spawns;
	struct client clients[WORLD_CLIENTS];
	int32_t next_pid;
	uint32_t said;	   /* by clients */
	uint32_t removals; /* of images, that somebody has asked for who may */
	const char *script;
	size_t script_len;
};
#define HOLD_LAUNCHER (1U << 31)

_noreturn_ void world_breach(const char *fmt, ...) _printf_(1, 2);
#define world_check(ok, ...) ((ok) ? (void)0 : world_breach(__VA_ARGS__))

/* world.c: one life. The script is what may contain ids of containers by chance. */
void world_begin(struct world *w, const char *script, size_t n);
void world_end(struct world *w);
/* Lets all of them talk until nobody has a word left. */
void world_settle(struct world *w);
void world_pass(struct world *w, uint64_t ms);
/* A message from its text form, as from a process that has this socket; the type, or 0 when it is
 * none or could not be sent. It is disarmed. */
enum msg_type world_say(int fd, uint32_t id, const char *line);

/* world_peers.c */
bool peers_hear(struct world *w); /* whether there was anything */
struct peer *peer_find(struct world *w, enum role role, unsigned int nth);
/* An answer to what was asked longest ago, or a word of its own. */
void peer_say(struct peer *p, const char *line);
void peer_die(struct peer *p);
void peers_answer(struct world *w, uint32_t roles);

/* world_judge.c: what the engine may send. */
void judge_launch(const struct world *w, const struct launch_frame *f);
void judge_asked(struct world *w, const struct peer *p, enum msg_type type, const void *msg);
void judge_bytes(const struct world *w, const struct client *c, const struct frame *f);
void judge_told(const struct world *w, const struct client *c, enum msg_type type, const void *msg);
void judge_failed(const struct client *c, enum msg_type asked, const struct failed *m);
void judge_engine(const struct world *w);
/* What lies on disk is what the engine knows. */
void judge_mirror(const struct world *w);
/* Rights that world_policy gives, said once more. */
bool judge_may(uid_t uid, enum right right);

/* world_clients.c */
void clients_init(struct world *w);
bool clients_hear(struct world *w);
struct client *client_find(struct world *w, const char *name);
void client_say(struct world *w, struct client *c, const char *line);
void client_say_raw(struct world *w, struct client *c, const char *bytes, size_t n);
void client_close(struct client *c);

extern const struct policy world_policy;
