/* SPDX-License-Identifier: MIT */
/*
 * ctl's end of the engine's socket: requests, and the replies and events that come back. Blocking.
 */
#pragma once

#include "frame.h"

#define SOCKET_DEFAULT "/run/bulkhead/ctl.sock"

#define CLIENT_DEADLINE 60  /* seconds for answers that wait for nothing but the engine */
#define CLIENT_START	660 /* likewise, when it may have layers to copy */

struct client {
	int fd; /* SOCK_SEQPACKET; poll it for POLLIN when waiting for several things */
	uint32_t last_id;
	/* Called for each event while a reply is awaited; msg is valid until it returns. May be
	 * NULL. */
	void (*on_event)(void *arg, enum msg_type type, const void *msg);
	void *event_arg;
};

/* A received message; what msg holds lives in the frame. */
struct incoming {
	struct frame frame;
	union { /* what the supervisor may say to ctl */
		struct failed failed;
		struct version_is version;
		struct info_is info;
		struct facts_are facts;
		struct container_created created;
		struct container_started started;
		struct container_waited waited;
		struct container_listed listed;
		struct container_inspected inspected;
		struct container_execed execed;
		struct logs_opened logs;
		struct image_pulled pulled;
		struct image_progress progress;
		struct image_listed images;
		struct image_inspected image;
		struct image_removed removed;
		struct image_usage_is image_usage;
		struct container_usage_is container_usage;
		struct container_stats_are stats;
		struct events_are events;
		struct done done;
	} msg;
};
void incoming_free(struct incoming *in);
#define _cleanup_incoming_ _cleanup_(incoming_free)

/* -ENOENT, -ECONNREFUSED, -EACCES…, with a sentence that says what to do. */
int client_open(struct client *c, const char *path, struct err *e);
void client_close(struct client *c);

/* Sends a request; descriptors in msg are borrowed. */
int client_send(
	struct client *c, enum msg_type type, const void *msg, uint32_t *ret_id, struct err *e);

/* Receives one frame, checked and decoded. Blocks. */
int client_receive(struct client *c, struct incoming *ret, struct err *e);

/* Waits for the answer to `id`: events go to on_event, answers to other requests are dropped.
 * `failed` becomes the error. seconds: 0 waits for ever. `want` is the only good type. */
int client_await(struct client *c, uint32_t id, enum msg_type want, unsigned int seconds,
	struct incoming *ret, struct err *e);

/* Both: send, then await the type that messages.def has as the reply. */
int client_call(struct client *c, enum msg_type type, const void *msg, unsigned int seconds,
	struct incoming *ret, struct err *e);

/* *e from a `failed` message; returns -e->code. */
int client_failure(const struct failed *m, struct err *e);

/* Reads a document from a sealed memfd that came with a message. *ret_buf (the caller frees) and
 * the arena own what *dst points to. */
int client_document(const struct schema *s, int fd, struct arena *a, void *dst, uint8_t **ret_buf,
	struct err *e);
/* The other way: a sealed memfd of a document, or negative. */
int client_seal(const struct schema *s, const void *document, struct err *e);
